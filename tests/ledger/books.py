"""The law of the ledger, recomputed from the entries alone."""

from collections import Counter, defaultdict

from ledger import audit, queries
from ledger.models import Budget, Entry, EntryKind


def counters() -> dict[int, dict[str, int]]:
    fields = ("granted_micros", "held_micros", "spent_micros", "overrun_micros")
    rows = Budget.objects.values("id", *fields)
    return {row["id"]: {name: row[name] for name in fields if row[name]} for row in rows}


def recomputed() -> dict[int, dict[str, int]]:
    sums: dict[int, Counter[str]] = defaultdict(Counter)
    for entry in Entry.objects.all():
        total = sums[entry.budget_id]
        total["granted_micros"] += entry.granted_delta
        total["held_micros"] += entry.held_delta
        total["spent_micros"] += entry.spent_delta
        if entry.kind == EntryKind.CHARGE and entry.hold_id:
            total["overrun_micros"] += max(0, entry.held_delta + entry.spent_delta)
    return {budget.pk: {name: n for name, n in sums[budget.pk].items() if n} for budget in Budget.objects.all()}


def assert_balanced() -> None:
    """Counters are what the entries sum to, open holds are what is held, and each hold ends in its own month."""
    assert counters() == recomputed()
    assert list(audit.drifts()) == []
    held: Counter[int] = Counter()
    for hold in queries.open_holds():
        held[hold.budget_id] += hold.held_delta
    assert held == {budget.pk: budget.held_micros for budget in Budget.objects.filter(held_micros__gt=0)}
    for ended in Entry.objects.filter(kind__in=("CHARGE", "RELEASE"), hold__isnull=False).select_related("hold"):
        assert ended.hold is not None
        assert (ended.budget_id, ended.held_delta) == (ended.hold.budget_id, -ended.hold.held_delta)
