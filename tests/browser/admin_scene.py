"""What the admin's pages show in a browser: somebody for every row, from hardly used to stuck."""

import json

from django.db import connection

from ledger import audit, operations, organisation
from ledger.models import Entry, EntryKind, Quota
from studio.models import User
from studio.states import GenerationState as State
from tests import factories
from tests.browser import webhook_scene

NAMES = ("mara", "jonas", "ines", "teo", "lena", "yusuf")
LABELS = ("text-to-music", "inpaint")
SONG = 75_000


def lay() -> None:
    """Fills the books, and prints the ids that pages are addressed by."""
    people = [_somebody(name, songs=4 * number * number) for number, name in enumerate(NAMES)]
    _quota("ines", monthly_micros=1_500_000, rolls_over=True)
    _quota("teo", frozen=True)
    last = people[-1]
    factories.make_generation(
        person=last, state=State.FAILED, reason_code="content_policy_violation", reason_whose="you"
    )
    factories.make_generation(person=last, state=State.FAILED, reason_code="fal_down", reason_whose="fal")
    _age(factories.make_generation(person=last, state=State.LOST).hold_reference)
    operations.charge_house(
        reference="late", amount_micros=SONG, reason="A song came after its money was given back", label=LABELS[0]
    )
    organisation.set_cap(500_000_000)
    audit.run()
    charge = Entry.objects.filter(kind=EntryKind.CHARGE, budget__person=last).latest("pk")
    quota = Quota.objects.get(person__email="ines@example.com")
    ids = {"quota": quota.pk, "charge": charge.pk, "budget": charge.budget_id}
    print(json.dumps(ids | webhook_scene.lay()))


def _somebody(name: str, songs: int) -> User:
    person = User.objects.create_user(f"{name}@example.com")
    for number in range(songs):
        reference = f"{name} {number}"
        operations.hold(person=person, amount_micros=SONG, reference=reference, label=LABELS[number % 2])
        operations.charge(reference=reference, amount_micros=SONG)
    return person


def _quota(name: str, **fields: object) -> None:
    Quota.objects.update_or_create(person=User.objects.get(email=f"{name}@example.com"), defaults=fields)


def _age(reference: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_entry DISABLE TRIGGER entry_append_only")
        cursor.execute(
            "UPDATE ledger_entry SET created_at = created_at - interval '5 hours' WHERE reference = %s", [reference]
        )
        cursor.execute("ALTER TABLE ledger_entry ENABLE TRIGGER entry_append_only")
