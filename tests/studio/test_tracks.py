"""From a link to a track that is kept: who fetches, when again, and whose fault a failure is."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from studio import naming, settling, tracks
from studio.errors import NotFound, TrackNotReady
from studio.media.errors import (
    AudioUnreadable,
    EncoderFailed,
    HostRefused,
    HouseFault,
    MediaError,
    SourceMissing,
    SourceTruncated,
    StorageFailed,
    StorageFull,
)
from studio.media.ingest import Ingested
from studio.models import Generation, Track, User
from studio.states import GenerationState, TrackState
from tests.studio.people import (
    ONE_SONG,
    TWO_SONGS,
    errors_in,
    house_micros,
    make_ready,
    money_of,
    names_of,
    race,
    song,
    submitted,
    two_songs,
)

Ingest = Callable[..., Ingested]


def ingested(track_id: object) -> Ingested:
    return Ingested(
        format="wav",
        master_key=f"masters/{track_id}.wav",
        preview_key=f"previews/{track_id}.mp3",
        peaks_key=f"peaks/{track_id}.256.dat",
        overview_key=f"peaks/{track_id}.4096.dat",
        bytes=16_777_294,
        sha256="ab" * 32,
        duration_ms=95_107,
        sample_rate=44_100,
        channels=2,
        loudness_lufs=-14.2,
        true_peak_dbtp=-0.8,
        silent=False,
    )


class Media:
    """Stands in for the ingest: `faults` come first, one a fetch, then everything works."""

    def __init__(self) -> None:
        self.fetched: list[UUID] = []
        self.faults: list[BaseException] = []

    def __call__(self, source_url: str, *, track_id: UUID) -> Ingested:
        assert source_url.startswith("https://v3.fal.media/")
        self.fetched.append(track_id)
        if self.faults:
            raise self.faults.pop(0)
        return ingested(track_id)


@pytest.fixture
def media(monkeypatch: pytest.MonkeyPatch) -> Iterator[Media]:
    stand_in = Media()
    monkeypatch.setattr(tracks, "ingest", stand_in)
    yield stand_in
    assert not stand_in.faults, "a fault was announced that nobody met"


def delivered(user: User, *, songs: int = 1) -> list[Track]:
    generation = submitted(user, num_songs=songs)
    outcome = two_songs() if songs == 2 else song()
    settling.settle(generation.pk, outcome, request_id=generation.request_id)
    return list(generation.tracks.order_by("variation"))


@pytest.fixture
def track(ada: User) -> Track:
    return delivered(ada)[0]


def again(track: Track) -> Track:
    return Track.objects.select_related("generation").get(pk=track.pk)


def fetch_now(track: Track) -> Track:
    """Fetch as if its pause were over."""
    Track.objects.filter(pk=track.pk).update(run_at=timezone.now() - timedelta(seconds=1))
    tracks.fetch(track.pk)
    return again(track)


def pause_of(track: Track) -> float:
    return (again(track).run_at - timezone.now()).total_seconds()


# --- Success ----------------------------------------------------------------------------------------------------------


def test_a_fetched_track_is_ready_whole_and_its_song_with_it(track: Track, media: Media) -> None:
    tracks.fetch(track.pk)
    done = again(track)
    found = ingested(track.pk)
    assert (done.state, done.leased_until, done.alarm) == (TrackState.READY, None, "")
    assert done.ready_at is not None
    assert (done.master_key, done.preview_key, done.peaks_key) == (
        found.master_key,
        found.preview_key,
        found.peaks_key,
    )
    assert (done.master_format, done.master_bytes, done.master_sha256) == ("wav", found.bytes, found.sha256)
    assert (done.duration_ms, done.sample_rate, done.channels, done.loudness_lufs) == (95_107, 44_100, 2, -14.2)
    assert done.generation.state == GenerationState.READY
    assert names_of(done.generation)[-1] == "job_succeeded"


def test_a_track_that_is_ready_is_not_fetched_again(track: Track, media: Media) -> None:
    for _ in range(3):
        fetch_now(track)
    assert len(media.fetched) == 1


def test_the_song_is_ready_when_its_last_track_is(ada: User, media: Media) -> None:
    first, second = delivered(ada, songs=2)
    tracks.fetch(second.pk)
    assert again(first).generation.state == GenerationState.INGESTING
    tracks.fetch(first.pk)
    assert again(first).generation.state == GenerationState.READY
    assert money_of(ada) == (0, TWO_SONGS)


def test_a_track_that_nobody_knows_is_nothing_to_do(media: Media, db: None) -> None:
    tracks.fetch(uuid4())
    assert media.fetched == []


# --- The lease --------------------------------------------------------------------------------------------------------


def test_a_track_that_somebody_is_at_is_left_alone_until_the_lease_runs_out(track: Track, media: Media) -> None:
    assert tracks._claim(track.pk) is not None
    assert track.pk not in tracks.due()
    tracks.fetch(track.pk)
    assert media.fetched == []
    Track.objects.filter(pk=track.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert tracks.due() == [track.pk]
    tracks.fetch(track.pk)
    assert again(track).state == TrackState.READY
    assert again(track).attempts == 2


def test_a_claim_lasts_for_the_lease(track: Track) -> None:
    claimed = tracks._claim(track.pk)
    assert claimed is not None
    assert claimed.leased_until is not None
    assert tracks.LEASE - timedelta(seconds=5) < claimed.leased_until - timezone.now() <= tracks.LEASE
    assert timedelta(seconds=tracks.RENEW_SECONDS * 2) < tracks.LEASE


def test_a_killed_worker_leaves_a_track_that_the_next_takes_up(track: Track, media: Media) -> None:
    class Killed(BaseException):
        pass

    media.faults = [Killed()]
    with pytest.raises(Killed):
        tracks.fetch(track.pk)
    left = again(track)
    assert (left.state, left.alarm) == (TrackState.PENDING, "")
    Track.objects.filter(pk=track.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert fetch_now(track).state == TrackState.READY


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed_while_the_work_lasts(track: Track, media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "RENEW_SECONDS", 0.02)
    seen: list[datetime] = []

    def slow(source_url: str, *, track_id: UUID) -> Ingested:
        Track.objects.filter(pk=track_id).update(leased_until=timezone.now() - timedelta(seconds=1))
        for _ in range(500):
            leased_until = again(track).leased_until
            assert leased_until is not None
            seen.append(leased_until)
            if leased_until > timezone.now():
                break
        return ingested(track_id)

    monkeypatch.setattr(tracks, "ingest", slow)
    tracks.fetch(track.pk)
    assert seen[-1] > timezone.now()
    assert again(track).state == TrackState.READY


@pytest.mark.django_db(transaction=True)
def test_two_threads_fetch_a_track_once(track: Track, media: Media) -> None:
    assert errors_in(race(6, lambda _: tracks.fetch(track.pk))) == []
    assert len(media.fetched) == 1
    assert again(track).state == TrackState.READY


def died(track: Track, times: int = 1) -> None:
    """So many workers took the track up, one after the other, and were not heard of again."""
    for _ in range(times):
        Track.objects.filter(pk=track.pk).update(run_at=timezone.now(), leased_until=None)
        Track.objects.filter(pk=track.pk).update(leased_until=timezone.now() - timedelta(seconds=1))
        tracks._claim(track.pk)
        Track.objects.filter(pk=track.pk).update(leased_until=timezone.now() - timedelta(seconds=1))


def test_one_death_is_soon_made_good_and_further_ones_ever_later(track: Track) -> None:
    pauses = []
    for _ in range(3):
        died(track)
        pauses.append(round(pause_of(track)))
    assert pauses == [0, 30, 60]
    assert again(track).alarm == "3 workers died over it"


def test_a_track_that_kills_its_workers_is_left_for_a_person_and_nobody_pays(
    ada: User, track: Track, media: Media, caplog: pytest.LogCaptureFixture
) -> None:
    died(track, tracks.DEATHS)
    left = again(track)
    assert (left.state, left.deaths, left.dead_at is None) == (TrackState.PENDING, 5, False)
    assert left.alarm == "5 workers died over it: it waits for a person"
    assert "dead letter" in caplog.text
    assert tracks.due() == []
    fetch_now(track)
    assert media.fetched == []
    assert (left.generation.state, left.generation.reason_code) == (GenerationState.FAILED, "not_saved")
    assert left.generation.reason_whose == "us"
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_one_dead_of_two_leaves_the_other_for_the_price_of_one(ada: User, media: Media) -> None:
    good, bad = delivered(ada, songs=2)
    died(bad, tracks.DEATHS)
    assert again(bad).generation.state == GenerationState.INGESTING
    tracks.fetch(good.pk)
    generation = again(good).generation
    assert (generation.state, generation.charged_micros) == (GenerationState.READY, ONE_SONG)
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), TWO_SONGS - ONE_SONG)


def test_a_fetch_that_ends_well_forgets_the_deaths_before(track: Track, media: Media) -> None:
    died(track, 2)
    done = fetch_now(track)
    assert (done.state, done.alarm, done.deaths) == (TrackState.READY, "", 0)


def test_a_worker_that_is_told_to_end_hands_the_track_back(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(source_url: str, *, track_id: UUID) -> Ingested:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")

    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(tracks, "ingest", interrupted)
    with pytest.raises(SystemExit):
        tracks.fetch(track.pk)
    left = again(track)
    assert (left.state, left.leased_until, left.deaths, left.alarm) == (TrackState.PENDING, None, 0, "")
    assert tracks.due() == [track.pk]
    assert signal.getsignal(signal.SIGTERM) == handler


def test_a_lease_outlives_a_database_that_is_restarted(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def filter(self, **_: object) -> "Away":
            return self

        def update(self, **_: object) -> int:
            raise OperationalError("terminating connection due to administrator command")

    closed: list[int] = []
    monkeypatch.setattr(connection, "close", lambda: closed.append(1))
    monkeypatch.setattr(Track, "objects", Away())
    tracks._renew(track)
    assert closed == [1]


# --- Faults of the source ---------------------------------------------------------------------------------------------


def test_a_bad_source_is_fetched_three_times_within_two_minutes_and_then_unreadable(
    ada: User, track: Track, media: Media
) -> None:
    media.faults = [SourceTruncated(), SourceTruncated(), AudioUnreadable()]
    first = fetch_now(track)
    assert (first.state, first.fetches_failed, first.reason_code) == (TrackState.PENDING, 1, "source_truncated")
    pauses = [pause_of(track)]
    fetch_now(track)
    pauses.append(pause_of(track))
    assert 0 < pauses[0] < pauses[1]
    assert sum(pauses) < 120
    last = fetch_now(track)
    assert (last.state, last.reason_code, last.leased_until) == (TrackState.UNREADABLE, "audio_unreadable", None)
    assert last.generation.state == GenerationState.FAILED
    assert last.source_url
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)
    assert len(media.fetched) == 3
    assert tracks.due() == []


def test_a_source_that_recovers_is_kept_after_all(ada: User, track: Track, media: Media) -> None:
    media.faults = [SourceMissing(), HostRefused()]
    fetch_now(track)
    fetch_now(track)
    done = fetch_now(track)
    assert (done.state, done.reason_code, done.reason_message) == (TrackState.READY, "", "")
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), 0)


def test_a_pause_is_kept_and_no_attempt_is_spent_in_it(track: Track, media: Media) -> None:
    media.faults = [SourceMissing()]
    tracks.fetch(track.pk)
    tracks.fetch(track.pk)
    assert again(track).attempts == 1
    assert tracks.due() == []


def test_one_unreadable_of_two_leaves_the_other_for_the_price_of_one(ada: User, media: Media) -> None:
    good, bad = delivered(ada, songs=2)
    tracks.fetch(good.pk)
    media.faults = [AudioUnreadable()] * 3
    for _ in range(3):
        fetch_now(bad)
    generation = again(good).generation
    assert (generation.state, generation.charged_micros) == (GenerationState.READY, ONE_SONG)
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), TWO_SONGS - ONE_SONG)


# --- Faults of the house ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [StorageFull(), StorageFailed("S3 said 503"), EncoderFailed(), HouseFault(), MediaError(), RuntimeError("bug")],
)
def test_our_own_trouble_never_makes_a_track_unreadable(
    ada: User, track: Track, media: Media, fault: Exception
) -> None:
    media.faults = [fault] * 4
    pauses: list[int] = []
    for _ in range(4):
        left = fetch_now(track)
        assert (left.state, left.fetches_failed, left.leased_until) == (TrackState.PENDING, 0, None)
        assert left.alarm
        pauses.append(round(pause_of(track)))
    assert pauses == [30, 60, 120, 240]
    assert left.generation.state == GenerationState.INGESTING
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), 0)
    done = fetch_now(track)
    assert (done.state, done.alarm) == (TrackState.READY, "")


def test_an_alarm_names_the_fault(track: Track, media: Media) -> None:
    media.faults = [StorageFull()]
    assert fetch_now(track).alarm.startswith("storage_full: ")


def test_our_own_trouble_between_does_not_count_as_a_fetch_that_failed(track: Track, media: Media) -> None:
    media.faults = [SourceMissing(), StorageFailed(), SourceMissing(), StorageFailed()]
    for _ in range(4):
        fetch_now(track)
    assert again(track).fetches_failed == 2
    assert fetch_now(track).state == TrackState.READY


def test_a_late_worker_can_not_take_a_ready_track_back(track: Track) -> None:
    """Its lease had run out, and another was faster."""
    slow = tracks._claim(track.pk)
    assert slow is not None
    make_ready(track)
    slow.fetches_failed = 2
    tracks._source_failed(slow, SourceMissing())
    tracks._house_failed(slow, "storage_full", "full")
    done = again(track)
    assert (done.state, done.alarm) == (TrackState.READY, "")


def test_a_late_worker_that_succeeds_second_changes_nothing(track: Track) -> None:
    slow = tracks._claim(track.pk)
    assert slow is not None
    make_ready(track)
    tracks._keep(slow, ingested("late"))
    assert again(track).master_key != "masters/late.wav"


# --- For people -------------------------------------------------------------------------------------------------------


def test_another_persons_track_looks_like_none_at_all(track: Track, bo: User) -> None:
    for wanted in (track.pk, uuid4()):
        with pytest.raises(NotFound):
            tracks.own(bo, wanted)
    assert tracks.own(track.person, track.pk) == track


def test_a_track_that_can_not_be_heard_yet_says_so(track: Track) -> None:
    with pytest.raises(TrackNotReady):
        tracks.own_ready(track.person, track.pk)
    make_ready(track)
    assert tracks.own_ready(track.person, track.pk) == track


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A slow waltz", "A-slow-waltz"),
        ('../../etc/"passwd"\r\nX: y', "etc-passwd-X-y"),
        ("Ærø – kayōkyoku", "Ærø-kayōkyoku"),
        ("🎹🎹", "song"),
        ("x" * 120, "x" * 60),
    ],
)
def test_a_download_is_named_by_title_id_and_seed(track: Track, title: str, name: str) -> None:
    mine = again(track)
    mine.title = title
    assert naming.file_name(mine, "wav") == f"{name}__{mine.pk.hex[:8]}__{mine.generation.seed}.wav"


def test_a_generation_is_ready_only_with_its_tracks(track: Track) -> None:
    settling.conclude(track.generation_id)
    assert Generation.objects.get(pk=track.generation_id).state == GenerationState.INGESTING
