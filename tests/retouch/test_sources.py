"""Where fal finds the audio that something is made from, and what becomes of the money where it can't."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from studio import dispatch, extensions, retouches, sources
from studio.errors import MasterIsCold, NotFound, SourceTooLarge, TrackDeleted, TrackHidden, TrackInTrash, TrackNotReady
from studio.fal import breaker
from studio.fal.errors import Ambiguous, Unreachable, UploadRefused
from studio.fal.mock import MockFalClient
from studio.media.disk import DiskStorage
from studio.media.errors import StorageUnreachable
from studio.models import Generation, Track, User
from studio.states import SourceAudio
from tests.retouch.scenes import WORDS, begun, last_take, sent
from tests.studio.people import ONE_SONG, aged, asked_for, money_of, nothing_was_written

LINK = "https://bucket.s3.amazonaws.com/masters/a.wav?X-Amz-Signature=x"


@pytest.fixture
def linked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A storage that hands out links; which, and for how long."""
    asked: list[tuple[str, int]] = []

    def fetch_url(_: DiskStorage, key: str, seconds: int = 0) -> str:
        asked.append((key, seconds))
        return LINK

    monkeypatch.setattr(DiskStorage, "fetch_url", fetch_url)
    return asked


def submitted(fal: MockFalClient) -> dict[str, Any]:
    return dict(fal.submitted()[-1].arguments or {})


def test_without_a_bucket_fal_gets_a_copy_just_before_the_post(ada: User, track: Track, fal: MockFalClient) -> None:
    retouch = begun(ada, track)
    assert [call.operation for call in fal.calls] == [], "not while it waits"
    sent(last_take(retouch))
    assert [call.operation for call in fal.calls] == ["upload", "submit"]
    assert fal.calls[0].arguments == {"content_type": "audio/wav", "bytes": track.master_bytes}
    arguments = submitted(fal)
    assert arguments["audio_url"].endswith(f"/{track.pk}.wav")
    assert arguments["sections"] == [WORDS["section"]]
    stored = Generation.objects.get(take__retouch=retouch).recipe
    assert stored["audio_url"] is None, "an address of an hour is no part of a recipe"


def test_a_public_bucket_gives_a_link_that_outlives_both_lines(
    ada: User, track: Track, fal: MockFalClient, linked: list[tuple[str, int]], settings: Settings
) -> None:
    settings.NEOAPEX_QUEUE_TIMEOUT, settings.NEOAPEX_LOST_AFTER = 3000, 2000
    sent(last_take(begun(ada, track)))
    assert [call.operation for call in fal.calls] == ["submit"]
    assert submitted(fal)["audio_url"] == LINK
    assert linked[-1] == (track.master_key, 5000)


def test_a_link_never_asks_for_more_than_s3_signs(
    ada: User, track: Track, linked: list[tuple[str, int]], settings: Settings
) -> None:
    settings.NEOAPEX_QUEUE_TIMEOUT = 10**7
    sent(last_take(begun(ada, track)))
    assert linked[-1][1] == 604_800


@pytest.mark.parametrize(("how", "operations"), [("upload", ["upload", "submit"]), ("link", ["submit"])])
def test_the_operator_may_say_how(
    ada: User, track: Track, fal: MockFalClient, linked: list[Any], settings: Settings, how: str, operations: list[str]
) -> None:
    settings.NEOAPEX_SOURCE_BY = how
    sent(last_take(begun(ada, track)))
    assert [call.operation for call in fal.calls] == operations


@pytest.mark.parametrize(
    ("url", "public"),
    [
        (LINK, True),
        ("https://media.example.com/a", True),
        ("https://8.8.8.8/a", True),
        ("http://media.example.com/a", False),
        ("https://minio:9000/a", False),
        ("https://localhost/a", False),
        ("https://10.1.2.3/a", False),
        ("https://127.0.0.1:9000/a", False),
        ("https://[fd00::1]/a", False),
        ("https://media.cluster.local/a", False),
    ],
)
def test_what_only_the_house_can_reach_is_no_link_for_fal(url: str, public: bool) -> None:
    assert sources.is_public(url) is public


def test_an_upload_that_fails_goes_back_in_line_and_costs_nothing(ada: User, track: Track, fal: MockFalClient) -> None:
    retouch = begun(ada, track)
    fal.will_raise("upload", Unreachable(provider_failed=True))
    dispatch.dispatch()
    generation = Generation.objects.get(take__retouch=retouch)
    assert (generation.state, generation.attempts) == ("QUEUED", 1)
    assert fal.submitted() == []
    assert money_of(ada) == (ONE_SONG, ONE_SONG)


def test_an_upload_that_fails_for_good_gives_the_money_back_and_says_why(
    ada: User, track: Track, fal: MockFalClient
) -> None:
    retouch = begun(ada, track)
    for _ in range(5):
        fal.will_raise("upload", Unreachable())
        Generation.objects.update(run_at="2020-01-01T00:00:00Z")
        dispatch.dispatch()
    generation = Generation.objects.get(take__retouch=retouch)
    assert (generation.state, generation.reason_code) == ("FAILED", "source_out_of_reach")
    assert money_of(ada) == (0, ONE_SONG)


def test_uploads_that_fail_keep_nobody_else_from_fal(ada: User, track: Track, fal: MockFalClient) -> None:
    for _ in range(4):
        begun(ada, track)
        fal.will_raise("upload", Unreachable(provider_failed=True))
    for _ in range(4):
        dispatch.dispatch()
    assert breaker.seconds_out_of_reach() == 0
    assert Generation.objects.filter(state="QUEUED", attempts=1).count() == 4
    asked_for(ada)
    assert dispatch.dispatch() == 1


def test_a_probe_whose_audio_can_not_be_handed_over_waits_like_any_other(
    ada: User, track: Track, fal: MockFalClient
) -> None:
    begun(ada, track)
    fal.will_raise("upload", Unreachable(provider_failed=True))
    generation = dispatch.claim_next()
    assert generation is not None
    dispatch.submit(generation, is_probe=True)
    generation.refresh_from_db()
    assert (generation.state, generation.attempts) == ("QUEUED", 1)
    assert generation.run_at > timezone.now()


def test_an_upload_that_fal_refuses_ends_it_at_once(ada: User, track: Track, fal: MockFalClient) -> None:
    retouch = begun(ada, track)
    fal.will_raise("upload", UploadRefused())
    dispatch.dispatch()
    generation = Generation.objects.get(take__retouch=retouch)
    assert (generation.state, generation.reason_code) == ("FAILED", "fal_upload_refused")
    assert money_of(ada) == (0, ONE_SONG)


def test_a_storage_out_of_reach_sends_it_back_in_line(
    ada: User, track: Track, fal: MockFalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    retouch = begun(ada, track)

    def away(*_: object) -> None:
        raise StorageUnreachable("gone fishing")

    monkeypatch.setattr(DiskStorage, "facts", away)
    dispatch.dispatch()
    assert Generation.objects.get(take__retouch=retouch).state == "QUEUED"
    assert fal.submitted() == []


def test_a_master_that_is_missing_ends_it_with_the_money_back(ada: User, track: Track, tmp_path: Path) -> None:
    retouch = begun(ada, track)
    (tmp_path / "media" / track.master_key).unlink()
    dispatch.dispatch()
    assert Generation.objects.get(take__retouch=retouch).reason_code == "source_gone"
    assert money_of(ada) == (0, ONE_SONG)


def test_the_mp3_is_taken_where_a_person_will_not_wait(ada: User, track: Track, fal: MockFalClient) -> None:
    Track.objects.filter(pk=track.pk).update(master_storage="GLACIER")
    retouch, _ = retouches.start(person=ada, track_id=track.pk, inputs=WORDS, audio=SourceAudio.PREVIEW)
    sent(last_take(retouch))
    assert submitted(fal)["audio_url"].endswith(".mp3")
    assert fal.calls[0].arguments is not None
    assert fal.calls[0].arguments["content_type"] == "audio/mpeg"


def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    found = DiskStorage.facts
    monkeypatch.setattr(
        DiskStorage,
        "facts",
        lambda self, key: type(found(self, key))(found(self, key).size_bytes, "", "GLACIER", None),
    )


def test_a_cold_master_has_to_be_asked_back_first(ada: User, track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    cold(monkeypatch)
    with pytest.raises(MasterIsCold):
        begun(ada, track)
    assert money_of(ada) == (0, ONE_SONG)


def test_a_master_that_went_cold_in_line_ends_it_with_the_money_back(
    ada: User, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    retouch = begun(ada, track)
    cold(monkeypatch)
    dispatch.dispatch()
    assert Generation.objects.get(take__retouch=retouch).reason_code == "source_went_cold"
    assert money_of(ada) == (0, ONE_SONG)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"trashed_at": "2026-11-01T00:00:00Z"}, TrackInTrash),
        ({"trashed_at": "2026-09-01T00:00:00Z", "purged_at": "2026-10-01T00:00:00Z"}, TrackDeleted),
        ({"hidden": True}, TrackHidden),
        ({"state": "UNREADABLE"}, TrackNotReady),
        ({"state": "PENDING"}, TrackNotReady),
        ({"master_bytes": 200 * 1024**2}, SourceTooLarge),
    ],
)
def test_what_can_not_be_used_is_refused_and_nothing_is_held(
    ada: User, track: Track, fields: dict[str, Any], refusal: type[Exception]
) -> None:
    Track.objects.filter(pk=track.pk).update(**fields)
    with pytest.raises(refusal):
        begun(ada, track)
    with pytest.raises(refusal):
        extensions.start(person=ada, track_id=track.pk, inputs={"side": "left"})
    assert Generation.objects.filter(source=track).count() == 0
    assert money_of(ada) == (0, ONE_SONG)


def test_another_persons_track_is_not_there(ben: User, track: Track) -> None:
    with pytest.raises(NotFound):
        begun(ben, track)
    assert money_of(ben) == (0, 0)
    assert not nothing_was_written(), "Ada's own song"


def test_a_source_trashed_while_it_waits_is_used_all_the_same(ada: User, track: Track, fal: MockFalClient) -> None:
    retouch = begun(ada, track)
    Track.objects.filter(pk=track.pk).update(trashed_at="2026-11-01T00:00:00Z")
    sent(last_take(retouch))
    assert len(fal.submitted()) == 1


# --- A worker that dies over it ---------------------------------------------------------------------------------------


def claimed(person: User, track: Track, *, age_seconds: int) -> Generation:
    """One that a worker took up so long ago, and was not heard of again."""
    begun(person, track)
    generation = dispatch.claim_next()
    assert generation is not None
    return aged(generation, submit_started_at=age_seconds)


def test_what_a_worker_died_over_before_the_post_is_in_line_again(ada: User, track: Track, fal: MockFalClient) -> None:
    generation = claimed(ada, track, age_seconds=700)
    dispatch.take_back()
    generation.refresh_from_db()
    assert generation.state == "QUEUED"
    aged(generation, run_at=1)
    assert dispatch.dispatch() == 1
    assert len(fal.submitted()) == 1
    assert money_of(ada) == (ONE_SONG, ONE_SONG)


def test_a_worker_that_may_still_be_at_it_is_left_alone(ada: User, track: Track) -> None:
    generation = claimed(ada, track, age_seconds=500)
    dispatch.take_back()
    generation.refresh_from_db()
    assert generation.state == "SUBMITTED"


def test_what_may_have_reached_fal_is_never_taken_back(ada: User, track: Track, fal: MockFalClient) -> None:
    fal.will_raise("submit", Ambiguous())
    retouch = begun(ada, track)
    dispatch.dispatch()
    generation = aged(last_take(retouch).generation, submit_started_at=7000)
    dispatch.take_back()
    generation.refresh_from_db()
    assert generation.state == "SUBMITTED"
    assert len(fal.submitted()) == 1


@pytest.mark.parametrize("taken_up_again", [False, True])
def test_who_was_only_slow_does_not_post_what_was_taken_back(
    ada: User, track: Track, fal: MockFalClient, taken_up_again: bool
) -> None:
    generation = claimed(ada, track, age_seconds=700)
    dispatch.take_back()
    if taken_up_again:
        Generation.objects.update(run_at="2020-01-01T00:00:00Z")
        assert dispatch.claim_next() is not None
    dispatch.submit(generation)
    assert fal.submitted() == []
