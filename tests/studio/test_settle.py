"""From an outcome to money and tracks: once, whatever comes, in whatever order, however often."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from ledger import operations
from studio import dispatch, settling
from studio.errors import ForeignRequest
from studio.fal.answers import generation_failed, outcome_error
from studio.fal.errors import GenerationFailed, Said
from studio.models import Generation, Track, User
from studio.states import GenerationState as State
from tests.studio.fixtures import Rings
from tests.studio.people import (
    ONE_SONG,
    TWO_SONGS,
    asked_for,
    house_micros,
    kinds_of,
    make_ready,
    make_unreadable,
    money_of,
    names_of,
    put,
    song,
    submitted,
    two_songs,
    unanswered,
)

LONG_URL = "https://v3.fal.media/" + "x" * 2000


def settle(generation: Generation, outcome: Any) -> Generation:
    settling.settle(generation.pk, outcome, request_id=generation.request_id)
    return Generation.objects.get(pk=generation.pk)


def failed(units: str | None = None, *, code: int = 422, kind: str = "content_policy_violation") -> GenerationFailed:
    said = Said(code, error_type=kind, raw="the raw words", billable_units=Decimal(units) if units else None)
    return generation_failed(said, {"detail": [{"loc": ["body"], "msg": "no", "type": kind}]})


def cancelled() -> GenerationFailed:
    return outcome_error({"detail": "Request cancelled by the client."}, "Invalid status code: 499")


def finished(generation: Generation, *, readable: tuple[bool, ...]) -> Generation:
    """Its tracks have come to their end, and it is concluded."""
    for track, good in zip(generation.tracks.order_by("variation"), readable, strict=True):
        (make_ready if good else make_unreadable)(track)
    settling.conclude(generation.pk)
    return Generation.objects.get(pk=generation.pk)


# --- A success --------------------------------------------------------------------------------------------------------


def test_a_success_is_charged_and_its_audio_becomes_a_track(ada: User) -> None:
    done = settle(submitted(ada), song())
    assert (done.state, done.charged_micros) == (State.INGESTING, ONE_SONG)
    assert (done.written_tags, done.written_lyrics) == (["pop"], "la la")
    [track] = done.tracks.all()
    assert (track.state, track.variation, track.person_id) == ("PENDING", 0, ada.pk)
    assert track.source_url == "https://v3.fal.media/files/mock/a.wav"
    assert track.title == "A calm piano piece at night"
    assert kinds_of(done) == ["HOLD", "CHARGE"]
    assert money_of(ada) == (0, ONE_SONG)
    assert house_micros() == 0


def test_a_success_rings_for_its_tracks_and_for_the_free_place(
    ada: User, rings: Rings, django_capture_on_commit_callbacks: Any
) -> None:
    generation = submitted(ada, num_songs=2)
    rings.clear()
    with django_capture_on_commit_callbacks(execute=True):
        settle(generation, two_songs())
    tracks = {("studio.ingest", str(track.pk)) for track in generation.tracks.all()}
    assert {(task, ids.get("track_id", "")) for task, ids in rings} == tracks | {("studio.dispatch", "")}


def test_a_second_success_changes_nothing(ada: User) -> None:
    generation = submitted(ada)
    first = settle(generation, song())
    told = names_of(generation)
    again = settle(generation, song("https://v3.fal.media/files/mock/other.wav"))
    assert (again.state, again.charged_micros, again.last_sign_at) == (first.state, ONE_SONG, first.last_sign_at)
    assert generation.tracks.count() == 1
    assert names_of(generation) == told
    assert kinds_of(generation) == ["HOLD", "CHARGE"]


def test_a_success_after_the_song_is_ready_changes_nothing(ada: User) -> None:
    done = finished(settle(submitted(ada), song()), readable=(True,))
    assert settle(done, song()).state == State.READY
    assert money_of(ada) == (0, ONE_SONG)


def test_a_failure_after_a_success_changes_nothing(ada: User) -> None:
    generation = submitted(ada)
    settle(generation, song())
    assert settle(generation, failed("1")).state == State.INGESTING
    assert kinds_of(generation) == ["HOLD", "CHARGE"]
    assert house_micros() == 0


def test_started_is_told_before_the_outcome_even_when_the_callback_comes_first(ada: User) -> None:
    generation = unanswered(ada)
    settling.settle(generation.pk, song(), request_id="r")
    names = names_of(generation)
    assert names.count("job_started") == 1
    assert names == ["job_queued", "job_progress", "job_started", "job_progress"]


def test_a_song_put_back_in_line_is_settled_by_the_callback_that_comes_after_all(ada: User) -> None:
    generation = put(unanswered(ada), State.QUEUED)
    settling.settle(generation.pk, song(), request_id="r")
    assert Generation.objects.get(pk=generation.pk).state == State.INGESTING
    assert dispatch.claim_next() is None


def test_a_song_asked_for_singly_keeps_the_first_audio_alone(ada: User) -> None:
    done = settle(submitted(ada), two_songs())
    assert [track.source_url[-5:] for track in done.tracks.all()] == ["a.wav"]
    assert money_of(ada) == (0, ONE_SONG)


def test_a_lost_song_that_comes_after_all_is_charged_to_its_own_hold(ada: User) -> None:
    done = settle(put(submitted(ada), State.LOST, reason_code="no_sign_of_life"), song())
    assert (done.state, done.reason_code, done.charged_micros) == (State.INGESTING, "", ONE_SONG)
    assert kinds_of(done) == ["HOLD", "CHARGE"]
    assert house_micros() == 0


# --- A success after a release ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_success_after_a_release_gives_the_song_and_the_house_pays(ada: User, state: State) -> None:
    generation = submitted(ada)
    ended = settle(generation, failed())
    put(ended, state)
    late = settle(generation, song())
    assert (late.state, late.charged_micros, late.finished_at) == (State.INGESTING, 0, None)
    assert (late.reason_code, late.reason_message, late.raw_error) == ("", "", "")
    assert money_of(ada) == (0, 0)
    assert house_micros() == ONE_SONG
    ready = finished(late, readable=(True,))
    assert (ready.state, ready.charged_micros) == (State.READY, 0)
    assert names_of(generation)[-1] == "job_succeeded"


def test_a_late_success_that_is_repeated_charges_the_house_once(ada: User) -> None:
    generation = submitted(ada)
    settle(generation, failed())
    for _ in range(3):
        settle(generation, song())
    assert house_micros() == ONE_SONG
    assert kinds_of(generation) == ["HOLD", "RELEASE", "CHARGE"]
    assert generation.tracks.count() == 1
    money_of(ada)


def test_a_late_success_that_nobody_can_hear_costs_the_person_nothing(ada: User) -> None:
    generation = submitted(ada)
    settle(generation, failed())
    dead = finished(settle(generation, song()), readable=(False,))
    assert (dead.state, dead.charged_micros) == (State.FAILED, 0)
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_a_late_success_after_a_billed_failure_still_brings_the_song(ada: User) -> None:
    """The house paid another amount before; that is no reason to keep the song from the person."""
    generation = submitted(ada)
    settle(generation, failed("0.5"))
    assert house_micros() == ONE_SONG // 2
    assert settle(generation, song()).state == State.INGESTING
    assert generation.tracks.count() == 1
    assert money_of(ada) == (0, 0)


# --- A failure --------------------------------------------------------------------------------------------------------


def test_a_failure_gives_the_money_back_and_says_why(ada: User) -> None:
    generation = submitted(ada)
    ended = settle(generation, failed())
    assert (ended.state, ended.reason_code, ended.reason_whose) == (State.FAILED, "content_policy_violation", "you")
    assert ended.reason_message
    assert ended.raw_error == "the raw words"
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert (money_of(ada), house_micros()) == ((0, 0), 0)
    assert names_of(generation)[-1] == "job_failed"


def test_a_repeated_failure_changes_nothing(ada: User) -> None:
    generation = submitted(ada)
    first = settle(generation, failed())
    told = names_of(generation)
    assert settle(generation, failed(kind="internal_server_error")).reason_code == first.reason_code
    assert names_of(generation) == told
    assert kinds_of(generation) == ["HOLD", "RELEASE"]


def test_a_failure_that_fal_bills_is_paid_by_the_house_once(ada: User) -> None:
    generation = submitted(ada, num_songs=2)
    for _ in range(2):
        settle(generation, failed("1.5"))
    assert (money_of(ada), house_micros()) == ((0, 0), TWO_SONGS)


def test_a_failure_with_no_units_costs_nobody(ada: User) -> None:
    settle(submitted(ada), failed("0"))
    assert (money_of(ada), house_micros()) == ((0, 0), 0)


def test_a_billed_failure_that_is_learnt_of_after_the_release_is_paid_by_the_house(ada: User) -> None:
    generation = submitted(ada)
    settle(generation, failed())
    settle(generation, failed("1"))
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_a_failure_after_the_end_is_no_late_start(ada: User) -> None:
    generation = put(unanswered(ada), State.LOST)
    settling.fail(generation, failed())
    settling.settle(generation.pk, failed(), request_id="r")
    assert "job_started" not in names_of(generation)


def test_two_prices_of_one_failure_do_not_stop_the_settling(ada: User) -> None:
    generation = submitted(ada)
    settle(generation, failed("1"))
    settle(generation, failed("0.5"))
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_a_cancel_that_was_wished_for_ends_as_cancelled(ada: User) -> None:
    generation = put(submitted(ada), State.RUNNING, cancel_requested_at=timezone.now())
    ended = settle(generation, cancelled())
    assert (ended.state, ended.reason_code, ended.reason_whose) == (State.CANCELLED, "cancelled", "you")
    assert kinds_of(generation) == ["HOLD", "RELEASE"]


def test_a_cancel_that_nobody_wished_for_is_a_failure(ada: User) -> None:
    ended = settle(submitted(ada), cancelled())
    assert (ended.state, ended.reason_code) == (State.FAILED, "client_cancelled")
    assert kinds_of(ended) == ["HOLD", "RELEASE"]


def test_a_failure_after_a_wish_is_a_failure_all_the_same(ada: User) -> None:
    generation = put(submitted(ada), State.RUNNING, cancel_requested_at=timezone.now())
    assert settle(generation, failed()).state == State.FAILED


def test_a_success_after_a_wish_is_charged_to_the_persons_own_hold(ada: User) -> None:
    generation = put(submitted(ada), State.RUNNING, cancel_requested_at=timezone.now())
    assert settle(generation, song()).state == State.INGESTING
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), 0)


# --- What can't be heard ----------------------------------------------------------------------------------------------


MALFORMED: list[Any] = [
    {},
    {"audio": [], "seed": 1},
    {"audio": None, "seed": 1},
    {"audio": "https://v3.fal.media/a.wav", "seed": 1},
    {"audio": [{"href": "x"}], "seed": 1},
    {"audio": [{"url": ""}], "seed": 1},
    {"audio": [None], "seed": 1},
    {"detail": "something else altogether"},
    {"audio": [{"url": LONG_URL}], "seed": 1},
    {"audio": [{"url": "https://v3.fal.media/a\0.wav"}], "seed": 1},
    {"audio": [{"url": "https://v3.fal.media/\ud800.wav"}], "seed": 1},
]


@pytest.mark.parametrize("payload", MALFORMED, ids=range(len(MALFORMED)))
def test_a_success_that_nobody_can_read_costs_the_person_nothing_and_the_house_all(ada: User, payload: Any) -> None:
    ended = settle(submitted(ada), payload)
    assert (ended.state, ended.reason_code, ended.reason_whose) == (State.FAILED, "unreadable_audio", "fal")
    assert ended.charged_micros == 0
    assert not ended.tracks.exists()
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)
    assert settle(ended, song()).state == State.FAILED, "it is settled once, so the payload decides"


@pytest.mark.parametrize("ornament", ["\0", "\ud800", "a\0b\udfffc"])
def test_text_that_the_database_refuses_does_not_lose_the_song(ada: User, ornament: str) -> None:
    done = settle(submitted(ada), song(tags=[ornament], lyrics=ornament))
    assert done.state == State.INGESTING
    assert "\0" not in (done.written_lyrics or "")


def test_an_error_that_the_database_refuses_still_ends_the_song(ada: User) -> None:
    error = outcome_error(
        {"detail": [{"loc": ["body", "tags"], "msg": "bad \0 tag \ud800"}]}, "Invalid status code: 422"
    )
    ended = settle(submitted(ada), error)
    assert ended.state == State.FAILED
    assert "bad  tag ?" in ended.reason_message


@pytest.mark.parametrize("readable", [(True, False), (False, True)])
def test_of_two_songs_one_readable_costs_the_price_of_one_and_the_house_the_rest(
    ada: User, readable: tuple[bool, bool]
) -> None:
    done = finished(settle(submitted(ada, num_songs=2), two_songs()), readable=readable)
    assert (done.state, done.charged_micros) == (State.READY, ONE_SONG)
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), TWO_SONGS - ONE_SONG)


def test_none_readable_of_two_moves_the_whole_charge_to_the_house(ada: User) -> None:
    done = finished(settle(submitted(ada, num_songs=2), two_songs()), readable=(False, False))
    assert (done.state, done.charged_micros, done.reason_code) == (State.FAILED, 0, "unreadable_audio")
    assert (money_of(ada), house_micros()) == ((0, 0), TWO_SONGS)


@pytest.mark.parametrize("second", [None, LONG_URL])
def test_one_audio_where_two_were_paid_for_costs_the_price_of_one(ada: User, second: str | None) -> None:
    urls = ["https://v3.fal.media/files/mock/a.wav"] + ([second] if second else [])
    done = finished(settle(submitted(ada, num_songs=2), song(*urls)), readable=(True,))
    assert (done.state, done.charged_micros) == (State.READY, ONE_SONG)
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), TWO_SONGS - ONE_SONG)


def test_nothing_is_concluded_while_a_track_is_still_to_come(ada: User) -> None:
    done = settle(submitted(ada, num_songs=2), two_songs())
    first = done.tracks.order_by("variation").first()
    assert first is not None
    make_ready(first)
    settling.conclude(done.pk)
    assert Generation.objects.get(pk=done.pk).state == State.INGESTING


def test_concluding_twice_changes_nothing(ada: User) -> None:
    done = finished(settle(submitted(ada, num_songs=2), two_songs()), readable=(True, False))
    told = names_of(done)
    settling.conclude(done.pk)
    assert names_of(done) == told
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), TWO_SONGS - ONE_SONG)


# --- Whose request it is ----------------------------------------------------------------------------------------------


def test_an_outcome_under_another_request_id_changes_nothing(ada: User) -> None:
    generation = submitted(ada)
    told = names_of(generation)
    with pytest.raises(ForeignRequest):
        settling.settle(generation.pk, song(), request_id="somebody else's")
    stored = Generation.objects.get(pk=generation.pk)
    assert (stored.state, stored.request_id) == (State.SUBMITTED, generation.request_id)
    assert names_of(generation) == told
    assert money_of(ada) == (ONE_SONG, 0)


def test_an_outcome_under_another_songs_request_id_changes_neither(ada: User) -> None:
    first = submitted(ada)
    second = unanswered(ada)
    with pytest.raises(ForeignRequest):
        settling.settle(second.pk, song(), request_id=first.request_id)
    assert Generation.objects.get(pk=second.pk).request_id is None
    assert not Track.objects.exists()
    assert money_of(ada) == (2 * ONE_SONG, 0)


def test_a_settling_that_breaks_in_the_middle_leaves_nothing_behind(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> Track:
        raise RuntimeError("the database went away")

    generation = submitted(ada)
    monkeypatch.setattr(Track.objects, "create", broken)
    with pytest.raises(RuntimeError):
        settle(generation, song())
    monkeypatch.undo()
    assert Generation.objects.get(pk=generation.pk).state == State.SUBMITTED
    assert money_of(ada) == (ONE_SONG, 0)
    assert settle(generation, song()).state == State.INGESTING


def test_everything_that_was_waiting_or_lost_leaves_books_that_balance(ada: User) -> None:
    outcomes: list[Any] = [song(), failed(), failed("1"), {}, cancelled(), two_songs()]
    for outcome in outcomes:
        generation = put(submitted(ada), State.LOST)
        settle(generation, outcome)
        settle(generation, failed())
        settle(generation, song())
    assert money_of(ada) == (0, 2 * ONE_SONG)
    assert house_micros() == 4 * ONE_SONG
    assert not asked_for(ada).charged_micros


def test_a_song_that_was_given_back_already_ends_all_the_same_when_it_is_unreadable(ada: User) -> None:
    generation = settle(submitted(ada), song())
    operations.adjust(
        person=ada, spent_micros=-ONE_SONG, reference="kind", reason="sorry", author=None, house_pays=True
    )
    done = finished(generation, readable=(False,))
    assert (done.state, done.charged_micros) == (State.FAILED, 0)
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)
