"""Cold masters: asked back once, told of once, there for some days, and cold again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from studio import restores, storage_costs, transitions
from studio.errors import MasterGone, NoRestore, NotFound, StaleTransition, TrackInTrash
from studio.media import archive
from studio.media.storage import Facts
from studio.models import Track, User
from studio.states import MasterStorage as Storage
from tests import factories
from tests.glacier import GlacierBucket, bucket, put, refusal, s3_url
from tests.studio.people import errors_in, race

__all__ = ["bucket", "s3_url"]
pytestmark = pytest.mark.django_db


def kept(person: User, bucket: GlacierBucket, storage_class: str = "GLACIER", **fields: Any) -> Track:
    track = factories.make_song(person=person, songs=1).tracks.get()
    Track.objects.filter(pk=track.pk).update(**fields)
    put(bucket, track.master_key, storage_class=storage_class)
    return again(track)


def again(track: Track) -> Track:
    return Track.objects.select_related("generation", "person").get(pk=track.pk)


@pytest.fixture
def cold(ada: User, bucket: GlacierBucket) -> Track:
    return kept(ada, bucket, master_storage=Storage.GLACIER)


def names_of(track: Track) -> list[Any]:
    return [event.data.get("master") for event in track.generation.events.order_by("pk") if "master" in event.data]


# --- Asking ----------------------------------------------------------------------------------------------------------


def test_a_cold_master_is_asked_back_by_the_usual_tier(cold: Track, ada: User) -> None:
    before = timezone.now()
    track = restores.ask(person=ada, track_id=cold.pk)
    assert (track.master_storage, track.restore_tier) == (Storage.RESTORING, "Standard")
    assert track.restore_ready_by is not None
    assert timedelta(hours=4.9) < track.restore_ready_by - before < timedelta(hours=5.1)
    assert GlacierBucket.asked == [(cold.master_key, "Standard", 7)]
    assert names_of(track) == ["RESTORING"]


@pytest.mark.parametrize("tier", ["Expedited", "Standard", "Bulk"])
def test_the_tier_is_the_person_s_choice(cold: Track, ada: User, tier: str) -> None:
    assert restores.ask(person=ada, track_id=cold.pk, tier=tier).restore_tier == tier
    assert GlacierBucket.asked[0][1] == tier


def test_what_is_at_hand_is_asked_for_by_nobody(ada: User, bucket: GlacierBucket) -> None:
    track = kept(ada, bucket, "STANDARD")
    assert restores.ask(person=ada, track_id=track.pk).master_storage == Storage.STANDARD
    assert GlacierBucket.asked == []


def test_the_bucket_is_believed_and_not_last_night_s_row(ada: User, bucket: GlacierBucket) -> None:
    """Gone cold since: a link would lead to an error of the bucket's."""
    track = kept(ada, bucket, "GLACIER", master_storage=Storage.STANDARD)
    assert restores.ask(person=ada, track_id=track.pk).master_storage == Storage.RESTORING
    warm = kept(ada, bucket, "STANDARD", master_storage=Storage.GLACIER)
    assert restores.ask(person=ada, track_id=warm.pk).master_storage == Storage.STANDARD
    assert len(GlacierBucket.asked) == 1


def test_however_often_it_is_clicked_it_is_asked_back_once(cold: Track, ada: User) -> None:
    for _ in range(5):
        assert restores.ask(person=ada, track_id=cold.pk, tier="Bulk").master_storage == Storage.RESTORING
    GlacierBucket.bring_back(cold.master_key)
    for _ in range(3):
        assert restores.ask(person=ada, track_id=cold.pk).master_storage == Storage.RESTORED
    assert len(GlacierBucket.asked) == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_clicks_at_once_are_one_restore(cold: Track, ada: User) -> None:
    answers = race(20, lambda _: restores.ask(person=ada, track_id=cold.pk).master_storage)
    assert errors_in(answers) == []
    assert set(answers) == {Storage.RESTORING}
    assert len(GlacierBucket.asked) == 1
    assert names_of(again(cold)) == ["RESTORING"]


@pytest.mark.django_db(transaction=True)
def test_clicks_that_race_with_the_round_are_still_one(cold: Track, ada: User) -> None:
    def act(number: int) -> None:
        if number % 2:
            restores.follow()
        else:
            restores.ask(person=ada, track_id=cold.pk)

    assert errors_in(race(12, act)) == []
    assert len(GlacierBucket.asked) == 1
    assert again(cold).master_storage == Storage.RESTORING


def test_it_is_mine_and_outside_the_trash(cold: Track, bo: User, ada: User) -> None:
    with pytest.raises(NotFound):
        restores.ask(person=bo, track_id=cold.pk)
    Track.objects.filter(pk=cold.pk).update(trashed_at=timezone.now())
    with pytest.raises(TrackInTrash):
        restores.ask(person=ada, track_id=cold.pk)
    assert GlacierBucket.asked == []


def test_a_master_that_is_gone_is_said_to_be(cold: Track, ada: User, bucket: GlacierBucket) -> None:
    bucket.delete(cold.master_key)
    with pytest.raises(MasterGone):
        restores.ask(person=ada, track_id=cold.pk)


@pytest.mark.parametrize("code", ["GlacierExpeditedRetrievalNotAvailable", "AccessDenied", "InvalidObjectState"])
def test_a_plain_no_leaves_it_cold_and_says_so(cold: Track, ada: User, code: str) -> None:
    GlacierBucket.refusals.append(refusal(code, 503))
    with pytest.raises(NoRestore):
        restores.ask(person=ada, track_id=cold.pk)
    track = again(cold)
    assert (track.master_storage, track.restore_asked_at, track.restore_tier) == (Storage.GLACIER, None, "")
    assert restores.ask(person=ada, track_id=cold.pk, tier="Bulk").master_storage == Storage.RESTORING


def test_a_restore_that_was_begun_by_hand_is_taken_for_what_it_is(cold: Track, ada: User) -> None:
    GlacierBucket.on_its_way.add(cold.master_key)
    track = restores.ask(person=ada, track_id=cold.pk)
    assert track.master_storage == Storage.RESTORING
    assert GlacierBucket.asked == []
    GlacierBucket.bring_back(cold.master_key)
    restores.follow()
    # Nobody here asked for it: nobody gets a mail.
    assert mail.outbox == []
    assert again(cold).master_storage == Storage.RESTORED


# --- In doubt --------------------------------------------------------------------------------------------------------


def unheard() -> Exception:
    return EndpointConnectionError(endpoint_url="http://s3")


def test_a_wish_that_nobody_may_have_heard_is_repeated_by_the_round(cold: Track, ada: User) -> None:
    GlacierBucket.refusals.append(unheard())
    assert restores.ask(person=ada, track_id=cold.pk, tier="Bulk").master_storage == Storage.RESTORING
    restores.follow()
    assert GlacierBucket.asked == []
    put_back_in_time(cold, restores.ASKED_IN_VAIN)
    restores.follow()
    assert GlacierBucket.asked == [(cold.master_key, "Bulk", 7)]
    restores.follow()
    assert len(GlacierBucket.asked) == 1


def test_a_wish_that_was_heard_after_all_is_not_repeated(cold: Track, ada: User) -> None:
    restores.ask(person=ada, track_id=cold.pk)
    put_back_in_time(cold, timedelta(hours=3))
    restores.follow()
    assert len(GlacierBucket.asked) == 1


def test_a_bucket_that_never_hears_is_given_up(cold: Track, ada: User) -> None:
    GlacierBucket.refusals.append(unheard())
    restores.ask(person=ada, track_id=cold.pk)
    put_back_in_time(cold, restores.ASKED_FOR_TOO_LONG)
    restores.follow()
    assert again(cold).master_storage == Storage.GLACIER
    assert GlacierBucket.asked == []


def test_one_that_can_t_be_followed_stops_no_other(
    cold: Track, ada: User, bucket: GlacierBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = kept(ada, bucket, master_storage=Storage.GLACIER)
    for track in (cold, other):
        restores.ask(person=ada, track_id=track.pk)
    bucket.delete(cold.master_key)
    GlacierBucket.bring_back(other.master_key)
    restores.follow()
    assert again(other).master_storage == Storage.RESTORED


def put_back_in_time(track: Track, by: timedelta) -> None:
    asked_at = timezone.now() - by - timedelta(seconds=5)
    Track.objects.filter(pk=track.pk).update(restore_asked_at=asked_at)


# --- There, and gone again -------------------------------------------------------------------------------------------


def test_when_it_is_back_there_is_one_mail_one_event_and_a_notice(cold: Track, ada: User, settings: Settings) -> None:
    restores.ask(person=ada, track_id=cold.pk)
    restores.follow()
    assert (mail.outbox, restores.notices(ada)) == ([], [])
    until = GlacierBucket.bring_back(cold.master_key)
    for _ in range(3):
        restores.follow()
    track = again(cold)
    assert (track.master_storage, track.restored_until) == (Storage.RESTORED, until)
    assert names_of(track) == ["RESTORING", "RESTORED"]
    [sent] = mail.outbox
    assert sent.to == [ada.email]
    assert f"https://studio.example.com/tracks/{cold.pk}/master/" in sent.body
    assert cold.title in sent.body
    assert restores.notices(ada) == [track]
    restores.mark_seen(track)
    assert restores.notices(ada) == []


@pytest.mark.django_db(transaction=True)
def test_two_rounds_at_once_send_one_mail(cold: Track, ada: User) -> None:
    restores.ask(person=ada, track_id=cold.pk)
    GlacierBucket.bring_back(cold.master_key)
    assert errors_in(race(6, lambda _: restores.follow())) == []
    assert len(mail.outbox) == 1
    assert names_of(again(cold)) == ["RESTORING", "RESTORED"]


def test_a_mail_that_does_not_get_out_is_sent_by_the_next_round(
    cold: Track, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    restores.ask(person=ada, track_id=cold.pk)
    GlacierBucket.bring_back(cold.master_key)

    def away(_: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", away)
        restores.follow()
    assert mail.outbox == []
    restores.follow()
    assert len(mail.outbox) == 1


def test_who_has_left_gets_no_mail(cold: Track, ada: User) -> None:
    restores.ask(person=ada, track_id=cold.pk)
    GlacierBucket.bring_back(cold.master_key)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    restores.follow()
    assert mail.outbox == []


def test_when_its_time_is_over_it_is_cold_again_and_can_be_asked_back_again(cold: Track, ada: User) -> None:
    restores.ask(person=ada, track_id=cold.pk)
    GlacierBucket.bring_back(cold.master_key)
    restores.follow()
    GlacierBucket.let_expire(cold.master_key)
    Track.objects.filter(pk=cold.pk).update(restored_until=timezone.now() - timedelta(seconds=1))
    restores.follow()
    track = again(cold)
    assert (track.master_storage, track.restored_until, track.restore_tier) == (Storage.GLACIER, None, "")
    restores.ask(person=ada, track_id=cold.pk)
    GlacierBucket.bring_back(cold.master_key)
    restores.follow()
    assert len(GlacierBucket.asked) == len(mail.outbox) == 2


def test_a_copy_that_is_kept_for_longer_by_hand_is_told_so(cold: Track, ada: User) -> None:
    restores.ask(person=ada, track_id=cold.pk)
    GlacierBucket.bring_back(cold.master_key)
    restores.follow()
    longer = GlacierBucket.bring_back(cold.master_key, days=30)
    assert restores.look(again(cold)).restored_until == longer


# --- Every night -----------------------------------------------------------------------------------------------------


def test_every_night_rows_learn_what_went_cold_and_what_was_brought_back_by_hand(
    ada: User, bucket: GlacierBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restores, "PAGE", 2)
    gone_cold = [kept(ada, bucket, "GLACIER") for _ in range(3)]
    deep = kept(ada, bucket, "DEEP_ARCHIVE")
    copied_back = kept(ada, bucket, "STANDARD", master_storage=Storage.GLACIER)
    still = kept(ada, bucket, "STANDARD_IA")
    asked = kept(ada, bucket, "GLACIER", master_storage=Storage.RESTORING, restore_asked_at=timezone.now())
    assert restores.read_storage() == 5
    assert {again(track).master_storage for track in [*gone_cold, deep]} == {Storage.GLACIER}
    assert again(copied_back).master_storage == again(still).master_storage == Storage.STANDARD
    assert again(asked).master_storage == Storage.RESTORING
    assert restores.read_storage() == 0


def test_in_a_folder_nothing_goes_cold(ada: User) -> None:
    assert restores.read_storage() == 0


@pytest.mark.django_db(transaction=True)
def test_reading_at_night_takes_no_restore_away(cold: Track, ada: User) -> None:
    def act(number: int) -> object:
        return restores.read_storage() if number % 2 else restores.ask(person=ada, track_id=cold.pk)

    assert errors_in(race(10, act)) == []
    assert again(cold).master_storage == Storage.RESTORING
    assert len(GlacierBucket.asked) == 1


# --- States and prices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("came_from", Storage)
@pytest.mark.parametrize("to", Storage)
def test_a_master_moves_by_its_table_alone(ada: User, came_from: Storage, to: Storage) -> None:
    track = factories.make_song(person=ada, songs=1).tracks.get()
    Track.objects.filter(pk=track.pk).update(master_storage=came_from, restore_asked_at=timezone.now())
    track.refresh_from_db()
    if to in transitions.MASTER[came_from]:
        transitions.advance_master(track, to)
        assert again(track).master_storage == to
    else:
        with pytest.raises(StaleTransition):
            transitions.advance_master(track, to)
        assert again(track).master_storage == came_from


def test_who_reads_late_moves_nothing(ada: User) -> None:
    track = factories.make_song(person=ada, songs=1).tracks.get()
    late = again(track)
    transitions.advance_master(track, Storage.GLACIER)
    with pytest.raises(StaleTransition):
        transitions.advance_master(late, Storage.GLACIER)


@pytest.mark.parametrize(
    ("storage_class", "header", "place"),
    [
        ("STANDARD", None, "STANDARD"), ("GLACIER_IR", None, "STANDARD"), ("GLACIER", None, "GLACIER"),
        ("GLACIER", 'ongoing-request="true"', "RESTORING"), ("DEEP_ARCHIVE", 'ongoing-request="true"', "RESTORING"),
        ("GLACIER", 'ongoing-request="false", expiry-date="Fri, 21 Dec 2030 00:00:00 GMT"', "RESTORED"),
        ("GLACIER", 'ongoing-request="false"', "RESTORED"), ("GLACIER", "nonsense", "GLACIER"),
    ],
)  # fmt: skip
def test_the_bucket_s_words_are_read_as_they_are_meant(storage_class: str, header: str | None, place: str) -> None:
    found = archive.whereabouts(Facts(1, '"e"', storage_class, header))
    assert found.place == place
    assert (found.until is not None) == ("expiry" in (header or ""))


def test_a_restore_costs_the_request_the_bytes_and_the_copy(settings: Settings) -> None:
    gb = 2**30
    assert storage_costs.monthly_micros(gb, "STANDARD") == 23_000
    assert storage_costs.monthly_micros(gb, "GLACIER") == 3_600
    settings.NEOAPEX_RESTORE_DAYS = 30
    assert storage_costs.restore_micros(gb, "Expedited") == 10_000 + 30_000 + 23_000
    assert storage_costs.restore_micros(gb, "Standard") == 50 + 10_000 + 23_000
    assert storage_costs.restore_micros(gb, "Bulk") == 23_000
    assert storage_costs.monthly_micros(1, "GLACIER") == 1


def test_the_cheapest_comes_first_and_the_usual_is_marked(cold: Track) -> None:
    found = restores.choices(cold)
    assert [choice.tier for choice in found] == ["Bulk", "Standard", "Expedited"]
    assert [choice.tier for choice in found if choice.is_usual] == ["Standard"]


def test_the_tasks_only_ring_these(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio import tasks, trash  # noqa: PLC0415

    rung: list[str] = []

    def noted(name: str) -> Callable[[], None]:
        return lambda: rung.append(name)

    for module, name in ((restores, "follow"), (restores, "read_storage"), (trash, "empty")):
        monkeypatch.setattr(module, name, noted(name))
    for task in (tasks.follow_restores, tasks.read_storage, tasks.empty_trash):
        task()
    assert rung == ["follow", "read_storage", "empty"]
