"""fal's bill against our books, run by run. Running books nothing; `book` lets the house settle one line."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ledger import months
from ledger import operations as ledger
from ledger.dollars import display_dollars
from ledger.errors import SpentBelowZero
from studio import comparison, pricing
from studio.comparison import KEYS, Billed, Pair
from studio.errors import StudioError
from studio.fal import billing
from studio.fal.billing import BillUnreadable, Read
from studio.fal.client import from_settings
from studio.fal.errors import FalError
from studio.models import LineKind, Reconciliation, ReconciliationLine, User

LINES_MAX: Final = 10_000
# How far beyond the span fal is asked about a request that seems to be missing: with a month it stays one call.
LOOKED_AROUND: Final = timedelta(days=28)
# Clocks differ, and what is billed this very moment should be found.
CLOCKS_DIFFER: Final = timedelta(hours=1)
BOOKABLE: Final = frozenset({LineKind.ONLY_OURS, LineKind.ONLY_FALS, LineKind.DIFFERS})


class InvalidSpan(StudioError):
    code = "invalid_span"
    message = _("The span ends before it begins.")
    hint = _("Give a start that is before the end.")


class LineNotBookable(StudioError):
    code = "line_not_bookable"
    message = _("This line can't be booked.")
    hint = _("A price is mended in the whitelist; what is under way ends by itself.")


class LineOutdated(StudioError):
    code = "line_outdated"
    message = _("The two sides have changed since this line was written.")
    hint = _("Run the reconciliation again, and book the line that it finds then.")


class HouseSpentLess(StudioError):
    """fal billed less than the books say, and the house has not spent so much that it could go down by it."""

    code = "house_spent_less"
    message = _("The house has not spent so much in this month.")
    hint = _("Give it back to the person who paid, by an adjustment.")


class BillOutOfReach(StudioError):
    code = "fal_bill_out_of_reach"


# --- Reading ---------------------------------------------------------------------------------------------------------


def latest() -> Reconciliation | None:
    """The last run, whole or broken off."""
    return Reconciliation.objects.order_by("-started_at", "-pk").first()


def lines(found: Reconciliation) -> QuerySet[ReconciliationLine]:
    """What a run found, in the order of requests; prices come last."""
    return found.lines.select_related("generation__person", "booked_by").order_by("pk")


def is_equal(found: Reconciliation) -> bool:
    """Whether the run came to its end and found no difference. What is under way is none."""
    return found.finished_at is not None and not count_differences(found)


def count_differences(found: Reconciliation) -> int:
    return found.lines.exclude(kind=LineKind.UNDER_WAY).count() + found.lines_left_out


# --- Running ---------------------------------------------------------------------------------------------------------


def run(*, since: datetime | None = None, until: datetime | None = None, author: User | None = None) -> Reconciliation:
    """Compare everything from `since` (this month's start, in UTC) to before `until` (now), and keep what was found.

    Where fal can't be asked, the run says so in `error` and has no end.

    :raises InvalidSpan: it ends before it begins.
    """
    since = since or months.start_of(months.month_of())
    until = until or timezone.now()
    if since >= until:
        raise InvalidSpan
    found = Reconciliation.objects.create(since=since, until=until, author=author)
    try:
        _run(found, billing.patient(_read()))
    except BillOutOfReach as error:
        found.error = str(error.message)
    except FalError as error:
        found.error = _explained(error)
    else:
        found.finished_at = timezone.now()
    found.save()
    return found


def _run(found: Reconciliation, read: Read) -> None:
    with comparison.bill_table():
        for page in billing.events(read, found.since, found.until):
            found.not_ours += comparison.add_events(page)
        comparison.add_ours(found.since, found.until)
        _compare(found, read)
    _compare_prices(found, read)


def _read() -> Read:
    try:
        return from_settings().read_api
    except ValueError as error:
        # A key or an address that can't be right.
        raise BillOutOfReach(str(error)) from None


def _explained(error: FalError) -> str:
    if isinstance(error, BillUnreadable):
        return f"{error.message} {error.hint}"
    if error.status_code in {401, 402, 403}:
        advice = gettext(
            "fal.ai does not show its bill to the studio's key. Make a key with the ADMIN scope in fal's dashboard "
            "and give it as FAL_ADMIN_KEY."
        )
    else:
        later = gettext("Try again later.")
        advice = f"{error.message} {later}"
    said = " ".join(str(part) for part in (error.status_code, error.raw[:200]) if part)
    return f"{advice} ({said})" if said else advice


def _compare(found: Reconciliation, read: Read) -> None:
    kept = different = 0
    for page in comparison.pages():
        pairs = comparison.paired(page)
        if kept < LINES_MAX:
            pairs = _looked_up_again(pairs, found, read)
        new = [_line(found, pair, pair.kind) for pair in pairs if pair.kind]
        different += len(new)
        kept += len(ReconciliationLine.objects.bulk_create(new[: LINES_MAX - kept]))
        found.ours_micros += sum(pair.ours_micros for pair in pairs)
        found.fals_micros += sum(pair.fals_micros for pair in pairs)
        found.matched += sum(pair.kind is None and pair.ours_micros != 0 for pair in pairs)
    found.lines_left_out = different - kept


def _line(found: Reconciliation, pair: Pair, kind: LineKind) -> ReconciliationLine:
    return ReconciliationLine(
        run=found,
        kind=kind,
        request_id=pair.billed.request_id,
        endpoint=pair.endpoint,
        generation_id=pair.ours.id,
        ours_micros=pair.ours_micros,
        fals_micros=pair.fals_micros,
        note=pair.note,
    )


def _looked_up_again(pairs: Sequence[Pair], found: Reconciliation, read: Read) -> list[Pair]:
    """The same, with fal asked once more about what seems to differ.

    Its other half may lie outside of the span, or have slipped from one page of the bill to another.
    """
    doubtful = [pair.billed.request_id for pair in pairs if pair.kind]
    if not doubtful:
        return list(pairs)
    again = {pair.billed.request_id: pair for pair in comparison.paired(_billed(doubtful, found, read))}
    return [again.get(pair.billed.request_id, pair) for pair in pairs]


def _billed(request_ids: Sequence[str], found: Reconciliation, read: Read) -> list[Billed]:
    """All that fal billed for these, in the span and around it."""
    sums = {request_id: Billed(request_id) for request_id in request_ids}
    until = min(found.until + LOOKED_AROUND, timezone.now() + CLOCKS_DIFFER)
    for first in range(0, len(request_ids), billing.IDS_A_CALL):
        asked = request_ids[first : first + billing.IDS_A_CALL]
        for page in billing.events(read, found.since - LOOKED_AROUND, until, asked):
            for event in page:
                if event.request_id in asked:
                    sums[event.request_id].add(event)
    return list(sums.values())


def _compare_prices(found: Reconciliation, read: Read) -> None:
    try:
        fals = billing.prices_micros(read, list(KEYS))
    except FalError as error:
        found.remark = gettext("The prices were not compared: %(why)s") % {"why": error.message}
        return
    unlisted = [key for fal_id, key in KEYS.items() if fal_id not in fals]
    if unlisted:
        found.remark = gettext("fal's price list does not name %(endpoints)s.") % {"endpoints": ", ".join(unlisted)}
    for fal_id, key in KEYS.items():
        ours = pricing.price_micros(key, 1)
        if fals.get(fal_id, ours) != ours:
            note = gettext("fal's price of one song is another than the studio's.")
            found.lines.create(kind=LineKind.PRICE, endpoint=key, ours_micros=ours, fals_micros=fals[fal_id], note=note)


# --- Booking ---------------------------------------------------------------------------------------------------------


def book(line: ReconciliationLine, *, author: User, reason: str) -> ReconciliationLine:
    """Let the house pay what fal billed beyond the books, or pay so much less. A line that was booked stays as it is.

    :raises LineNotBookable: a price, or what is under way.
    :raises LineOutdated: by now the two sides differ by another amount, or not at all.
    :raises HouseSpentLess: the house can't go down by so much.
    :raises BillOutOfReach: fal can't say what it bills now.
    :raises LedgerError: such as a missing reason.
    """
    line = ReconciliationLine.objects.select_related("run").get(pk=line.pk)
    if line.kind not in BOOKABLE:
        raise LineNotBookable
    if line.booked_at is not None:
        return line
    billed = _billed_now(line)
    with transaction.atomic():
        # Whoever books any line of this request locks them all: the second sees what the first has booked.
        same = ReconciliationLine.objects.select_for_update().filter(request_id=line.request_id).order_by("pk")
        line = next(one for one in same if one.pk == line.pk)
        if line.booked_at is None:
            _check_still_so(line, billed)
            _book_on_house(line, author, reason)
            line.booked_at, line.booked_by = timezone.now(), author
            line.save(update_fields=["booked_at", "booked_by"])
    return line


def _billed_now(line: ReconciliationLine) -> Billed:
    try:
        [billed] = _billed([line.request_id], line.run, _read())
    except FalError as error:
        raise BillOutOfReach(_explained(error)) from None
    return billed


def _check_still_so(line: ReconciliationLine, billed: Billed) -> None:
    [pair] = comparison.paired([billed])
    now_micros = pair.fals_micros - pair.ours_micros
    if now_micros != line.difference_micros:
        amounts = {"now": display_dollars(now_micros), "then": display_dollars(line.difference_micros)}
        raise LineOutdated(
            gettext("The two sides differ by %(now)s now, and by %(then)s when this line was written.") % amounts
        )


def _book_on_house(line: ReconciliationLine, author: User, reason: str) -> None:
    reference, micros = comparison.correction_reference(line.request_id), line.difference_micros
    try:
        if micros > 0:
            ledger.charge_house(
                reference=reference, amount_micros=micros, reason=reason, label=line.endpoint, author=author
            )
        else:
            ledger.adjust(person=None, spent_micros=micros, reference=reference, reason=reason, author=author)
    except SpentBelowZero:
        raise HouseSpentLess from None
