"""What web processes and workers do to a song, in a form that may be killed and then repeated to its end."""

from contextlib import suppress
from decimal import Decimal
from uuid import UUID

from studio import generations, people, settling
from studio.errors import AlreadyFinal
from studio.fal.answers import generation_failed
from studio.fal.errors import Said
from studio.models import Generation, User
from tests.studio.people import DESCRIBED, two_songs


def act(name: str, *, person_id: int, generation_id: UUID | None) -> None:
    person = User.objects.get(pk=person_id)
    if name == "start":
        generations.start(person=person, inputs=DESCRIBED | {"num_songs": 2}, idempotency_key="once")
    elif name == "deactivate":
        people.deactivate(person, author=person, reason="left")
    elif generation_id is not None:
        _act_on(Generation.objects.get(pk=generation_id), name)


def _act_on(song: Generation, name: str) -> None:
    if name == "succeed":
        settling.settle(song.pk, two_songs(), request_id=song.request_id)
    elif name == "fail":
        billed = generation_failed(Said(500, billable_units=Decimal("1.5")), None)
        settling.settle(song.pk, billed, request_id=song.request_id)
    elif name == "conclude":
        settling.conclude(song.pk)
    elif name == "cancel":
        with suppress(AlreadyFinal):
            generations.cancel(person=song.person, generation_id=song.pk)
    else:
        raise ValueError(name)
