"""A process that is killed between any two statements leaves books that balance, and work that can be taken up."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from ledger.models import Entry
from studio import settling, sweep, tracks
from studio.media.disk import DiskStorage
from studio.media.storage import default_storage
from studio.models import Generation, Track, User
from tests.ledger.books import assert_balanced
from tests.studio import acts
from tests.studio.kill_points import KILLED, Moment, Worker, posts_of, prepared_worker
from tests.studio.people import (
    ONE_SONG,
    asked_for,
    make_ready,
    make_unreadable,
    names_of,
    person,
    song,
    submitted,
    two_songs,
)
from webhooks.models import Delivery

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]

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


def delivered(user: User) -> UUID:
    generation = submitted(user)
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    return generation.pk


def unread(user: User) -> UUID:
    generation_id = delivered(user)
    for track in Track.objects.filter(generation_id=generation_id):
        make_unreadable(track)
    settling.conclude(generation_id)
    return generation_id


def called_back(user: User) -> UUID:
    generation = submitted(user, num_songs=2)
    body = {"request_id": generation.request_id, "status": "OK", "payload": two_songs()}
    Delivery.objects.create(
        generation_id=generation.pk,
        request_id=str(generation.request_id),
        body=json.dumps(body).encode(),
        body_sha256=generation.pk.hex,
        pinned=True,
    )
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
    Act("fetch again", unread, ["HOLD", "CHARGE", "ADJUST", "ADJUST"], 12),
    Act("deliver", called_back, ["HOLD", "CHARGE"], 12),
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


def let_leases_run_out() -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    Track.objects.filter(leased_until__isnull=False).update(leased_until=long_ago, run_at=long_ago)
    Delivery.objects.filter(processed_at=None).update(run_at=long_ago)


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
        let_leases_run_out()
        acts.act(act.name, person_id=user.pk, generation_id=song)
        assert all_about(user) == done


@pytest.mark.parametrize("moment", get_args(Moment))
def test_killed_at_any_step_of_a_fetch_each_track_is_kept_once(
    moment: Moment, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "ingest", acts.ingest)
    for step in count(start=1):
        user = person(f"fetch-{step}")
        song_id = delivered(user)
        ended = worker.run("fetch", user.pk, song_id, kill_at=step, moment=moment)
        assert_balanced()
        let_leases_run_out()
        acts.act("fetch", person_id=user.pk, generation_id=song_id)
        kept = Generation.objects.get(pk=song_id)
        assert (kept.state, kept.charged_micros) == ("READY", ONE_SONG)
        assert names_of(kept).count("job_succeeded") == 1
        assert [entry[0] for entry in entries_of(kept)] == ["HOLD", "CHARGE"]
        for track in kept.tracks.all():
            assert (track.state, track.leased_until) == ("READY", None)
            assert all(default_storage().facts(key) for key in (track.master_key, track.preview_key, track.peaks_key))
        default_storage().clean_stale_parts(0)
        assert not list(Path(cast("DiskStorage", default_storage()).location).rglob(".*.part"))
        if ended == 0:
            # Four files, each of them written, sealed and shown, and what the database is told before and after.
            assert step > 4 * 3 + 8
            break
        assert ended == KILLED


@pytest.mark.parametrize("moment", get_args(Moment))
def test_killed_at_any_step_of_a_dispatch_a_song_is_never_sent_twice(
    moment: Moment, worker: Worker, settings: Settings
) -> None:
    """Sent or not, nobody knows who wasn't there: fal's callback tells, or the money comes back."""
    for step in count(start=1):
        user = person(f"dispatch-{step}")
        song = waiting(user)
        ended = worker.run("dispatch", user.pk, song, kill_at=step, moment=moment)
        worker.run("dispatch", user.pk, song, moment=moment)
        generation = Generation.objects.get(pk=song)
        assert (generation.state, [entry[0] for entry in entries_of(generation)]) == ("SUBMITTED", ["HOLD"])
        if posts_of(song):
            settling.settle(song, two_songs(), request_id=f"of {song}")
        else:
            sweep._lose(generation)
            sweep._release(generation)
        assert posts_of(song) <= 1
        end = Generation.objects.get(pk=song)
        expected = ("INGESTING", "CHARGE") if posts_of(song) else ("FAILED", "RELEASE")
        assert (end.state, entries_of(end)[-1][0]) == expected
        assert_balanced()
        if ended == 0:
            assert step > 12
            break
        assert ended == KILLED
