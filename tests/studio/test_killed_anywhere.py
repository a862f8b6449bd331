"""A process that is killed between any two statements leaves books that balance, and work that can be taken up."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple, get_args
from uuid import UUID

import pytest
from django.db import connection

from ledger.models import Entry
from studio import settling
from studio.models import Generation, User
from tests.ledger.books import assert_balanced
from tests.studio import acts
from tests.studio.kill_points import KILLED, Moment, Worker, prepared_worker
from tests.studio.people import asked_for, make_ready, make_unreadable, names_of, person, submitted, two_songs

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Arranged = tuple[User, UUID | None]


def nothing_yet(user: User) -> None:
    return None


def at_fal(user: User) -> UUID:
    return submitted(user, num_songs=2).pk


def waiting(user: User) -> UUID:
    return asked_for(user, num_songs=2).pk


def one_readable_of_two(user: User) -> UUID:
    generation = submitted(user, num_songs=2)
    settling.settle(generation.pk, two_songs(), request_id=generation.request_id)
    first, second = generation.tracks.order_by("variation")
    make_ready(first)
    make_unreadable(second)
    return generation.pk


class Act(NamedTuple):
    name: str
    arrange: Callable[[User], UUID | None]
    entries: list[str]
    at_least_steps: int


ACTS = [
    Act("start", nothing_yet, ["HOLD"], 8),
    Act("succeed", at_fal, ["HOLD", "CHARGE"], 8),
    Act("fail", at_fal, ["HOLD", "RELEASE", "CHARGE"], 8),
    Act("conclude", one_readable_of_two, ["HOLD", "CHARGE", "ADJUST", "ADJUST"], 8),
    Act("cancel", waiting, ["HOLD", "RELEASE"], 5),
    Act("deactivate", waiting, ["HOLD", "RELEASE"], 12),
]


@pytest.fixture
def worker(transactional_db: None) -> Iterator[Worker]:
    with prepared_worker(connection.settings_dict["NAME"]) as ready:
        yield ready


def arranged(act: Act, number: int | str) -> Arranged:
    """Somebody new for every run, so that none has to clean up after another."""
    user = person(f"{act.name}-{number}")
    return user, act.arrange(user)


def all_about(user: User) -> Any:
    """Whatever the act may write about this person, without ids and moments."""
    songs = list(Generation.objects.of(user).order_by("created_at", "pk"))
    return {
        "active": User.objects.get(pk=user.pk).is_active,
        "songs": [(song.state, song.charged_micros, song.reason_code, bool(song.finished_at)) for song in songs],
        "told": [names_of(song) for song in songs],
        "tracks": [list(song.tracks.order_by("variation").values_list("variation", "state")) for song in songs],
        "entries": [entries_of(song) for song in songs],
    }


def entries_of(song: Generation) -> list[Any]:
    entries = Entry.objects.filter(reference=song.hold_reference).order_by("pk")
    return list(entries.values_list("kind", "held_delta", "spent_delta", "budget__kind", "label"))


@pytest.mark.parametrize("moment", get_args(Moment))
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_killed_at_any_step_it_is_done_wholly_or_not_at_all_and_once(act: Act, moment: Moment, worker: Worker) -> None:
    user, song = arranged(act, "undisturbed")
    before = all_about(user)
    assert worker.run(act.name, user.pk, song, moment=moment) == 0
    done = all_about(user)
    assert [entry[0] for entries in done["entries"] for entry in entries] == act.entries
    for step in count(start=1):
        user, song = arranged(act, step)
        ended = worker.run(act.name, user.pk, song, kill_at=step, moment=moment)
        assert_balanced()
        if ended == 0:
            assert step > act.at_least_steps
            break
        assert ended == KILLED
        assert all_about(user) in (before, done)
        # Taken up by another process: this one.
        acts.act(act.name, person_id=user.pk, generation_id=song)
        assert all_about(user) == done
