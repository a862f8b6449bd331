"""People, songs on their way, and races, for tests of the studio's core."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db import connection
from django.utils import timezone

from ledger import queries as ledger
from ledger.models import Budget, BudgetKind, Entry, EntryKind, Quota
from studio import dispatch, generations, settling
from studio.fal.mock import MockFalClient
from studio.models import Event, Generation, Track, User
from studio.states import GenerationState as State
from tests.ledger.books import assert_balanced

Answer = TypeVar("Answer")

DESCRIBED: dict[str, object] = {"prompt": "a calm piano piece at night"}
ONE_SONG = 75_000
TWO_SONGS = 112_500
RACE_SECONDS = 60
# What a READY track has, beside the moment.
WHOLE: dict[str, Any] = {
    "duration_ms": 95_000,
    "master_bytes": 9,
    "master_key": "masters/a.wav",
    "preview_key": "previews/a.mp3",
    "peaks_key": "peaks/a.256.dat",
}


def person(name: str = "ada", *, songs: int = 100) -> User:
    """Somebody who can pay for so many single songs this month."""
    user = User.objects.create_user(f"{name}@example.com")
    Quota.objects.create(person=user, monthly_micros=songs * ONE_SONG)
    return user


def asked_for(user: User, **inputs: object) -> Generation:
    return generations.start(person=user, inputs=DESCRIBED | inputs)


def submitted(user: User, **inputs: object) -> Generation:
    """One that fal has accepted, under the id in `request_id`."""
    generation = asked_for(user, **inputs)
    assert dispatch.dispatch() == 1
    generation.refresh_from_db()
    assert generation.state == State.SUBMITTED
    assert generation.request_id
    return generation


def unanswered(user: User, **inputs: object) -> Generation:
    """One whose POST is under way: sent, and fal has not answered."""
    asked_for(user, **inputs)
    claimed = dispatch.claim_next()
    assert claimed is not None
    return claimed


def song(*urls: str, **more: object) -> dict[str, Any]:
    """A success as fal sends it."""
    urls = urls or ("https://v3.fal.media/files/mock/a.wav",)
    return {"audio": [{"url": url} for url in urls], "seed": 42, "tags": ["pop"], "lyrics": "la la"} | more


def two_songs() -> dict[str, Any]:
    return song("https://v3.fal.media/files/mock/a.wav", "https://v3.fal.media/files/mock/b.wav")


def make_ready(track: Track) -> None:
    """As if the track had been fetched."""
    Track.objects.filter(pk=track.pk).update(state="READY", ready_at=timezone.now(), **WHOLE)


def make_unreadable(track: Track) -> None:
    Track.objects.filter(pk=track.pk).update(state="UNREADABLE")


def finished_song(user: User, *, songs: int = 1) -> Generation:
    """One that is READY with all its tracks."""
    generation = submitted(user, num_songs=songs)
    settling.settle(generation.pk, two_songs() if songs == 2 else song(), request_id=generation.request_id)
    for track in generation.tracks.all():
        make_ready(track)
    settling.conclude(generation.pk)
    return generation


def aged(generation: Generation, **ages_seconds: float) -> Generation:
    """The same with its moments put back by so many seconds."""
    moments = {name: timezone.now() - timedelta(seconds=age) for name, age in ages_seconds.items()}
    Generation.objects.filter(pk=generation.pk).update(**moments)
    generation.refresh_from_db()
    return generation


def put(generation: Generation, state: State, **fields: object) -> Generation:
    """The row in a state, however it might have come there."""
    final = state in (State.READY, State.FAILED, State.CANCELLED)
    sent = state in (State.SUBMITTED, State.RUNNING, State.LOST)
    defaults = {"finished_at": timezone.now() if final else None}
    if sent:
        defaults["submit_started_at"] = timezone.now()
    Generation.objects.filter(pk=generation.pk).update(**{"state": state, **defaults, **fields})
    generation.refresh_from_db()
    return generation


def names_of(generation: Generation) -> list[str]:
    return list(Event.objects.filter(generation=generation).order_by("pk").values_list("name", flat=True))


def posts(fal: MockFalClient) -> int:
    return len(fal.submitted())


def money_of(user: User) -> tuple[int, int]:
    """What is held and what is spent of the person's month, in micros, after a look at all books."""
    assert_balanced()
    balance = ledger.balance(user)
    return balance.held_micros, balance.spent_micros


def house_micros() -> int:
    return sum(Budget.objects.filter(kind=BudgetKind.HOUSE).values_list("spent_micros", flat=True))


def kinds_of(generation: Generation) -> list[str]:
    """The ledger's entries about a generation, in order."""
    mine = Entry.objects.filter(reference=generation.hold_reference).order_by("pk")
    return list(mine.values_list("kind", flat=True))


def nothing_was_written() -> bool:
    """No song, no event, and no money set aside."""
    held = Entry.objects.filter(kind=EntryKind.HOLD)
    return not (Generation.objects.exists() or Event.objects.exists() or held.exists())


def race(count: int, act: Callable[[int], Answer]) -> list[Answer | Exception]:
    """The same at once from so many threads, each with a connection of its own; errors are answers here."""
    answers: list[Answer | Exception] = [RuntimeError("did not answer")] * count
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(RACE_SECONDS)
            answers[number] = act(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            answers[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(RACE_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return answers


def errors_in(answers: list[Answer | Exception]) -> list[Exception]:
    return [answer for answer in answers if isinstance(answer, Exception)]
