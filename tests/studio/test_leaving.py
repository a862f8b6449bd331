"""How people leave: nobody gets in under their name, and the books and songs stay as they were."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import SESSION_KEY, authenticate
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.db.models import ProtectedError

from ledger.models import Budget, Entry, Quota, Spending
from neoapex.sessions import SessionStore
from studio import admin_log, dispatch, drafts, generations, people, presets, queries, settling, tokens
from studio.errors import AccountClosed, LastAdmin, NotFound, WhyMissing
from studio.fal.errors import NotAccepted
from studio.fal.mock import MockFalClient
from studio.models import AccessToken, Draft, Event, Generation, IdempotencyKey, Preset, Track, User
from studio.states import GenerationState as State
from tests.studio.people import (
    DESCRIBED,
    ONE_SONG,
    asked_for,
    finished_song,
    house_micros,
    kinds_of,
    money_of,
    names_of,
    song,
    submitted,
)

WHY = "left the orchestra"


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss@example.com")


def session_of(user: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session.create()
    return str(session.session_key)


def the_books() -> list[Any]:
    """Every row of the ledger, as it is."""
    return [list(model.objects.order_by("pk").values()) for model in (Budget, Entry, Spending, Quota)]


def log_of(user: User) -> list[tuple[int, str, str]]:
    lines = LogEntry.objects.filter(object_id=str(user.pk), content_type__model="user").order_by("pk")
    return list(lines.values_list("user_id", "object_repr", "change_message"))


# --- Deactivating -----------------------------------------------------------------------------------------------------


def test_a_deactivated_person_has_no_way_in_any_more(ada: User, bo: User, boss: User) -> None:
    ada.set_password("a waltz for upright piano")
    ada.save()
    _token, raw = tokens.create(ada, "laptop")
    theirs, _others = [session_of(ada), session_of(ada)], session_of(bo)
    assert authenticate(None, email=ada.email, password="a waltz for upright piano") == ada
    gone = people.deactivate(ada, author=boss, reason=WHY)
    assert not gone.is_active
    assert authenticate(None, email=ada.email, password="a waltz for upright piano") is None
    assert tokens.person_of(raw) is None
    assert AccessToken.objects.get().revoked_at is not None
    assert not Session.objects.filter(pk__in=theirs).exists()
    assert Session.objects.count() == 1, "other people's sessions stay"


def test_reactivating_does_not_bring_old_ways_in_back(ada: User, boss: User) -> None:
    _token, raw = tokens.create(ada, "laptop")
    session = session_of(ada)
    people.deactivate(ada, author=boss, reason=WHY)
    User.objects.filter(pk=ada.pk).update(is_active=True)
    assert tokens.person_of(raw) is None
    assert not SessionStore().exists(session)


def test_a_session_that_cant_be_read_stops_nothing(ada: User, boss: User) -> None:
    broken = session_of(ada)
    Session.objects.filter(pk=broken).update(session_data="rubbish")
    readable = session_of(ada)
    people.deactivate(ada, author=boss, reason=WHY)
    assert list(Session.objects.values_list("pk", flat=True)) == [broken]
    assert not SessionStore().exists(readable)


def test_what_waits_is_cancelled_and_its_money_given_back(ada: User, boss: User) -> None:
    waiting = [asked_for(ada), asked_for(ada, num_songs=2)]
    people.deactivate(ada, author=boss, reason=WHY)
    for generation in waiting:
        generation.refresh_from_db()
        assert (generation.state, generation.reason_code, generation.reason_whose) == (
            State.CANCELLED, "account_closed", "us",
        )  # fmt: skip
        assert kinds_of(generation) == ["HOLD", "RELEASE"]
        assert names_of(generation)[-1] == "job_failed"
    assert money_of(ada) == (0, 0)
    assert dispatch.dispatch() == 0


def test_what_fal_has_runs_to_its_end_and_is_charged(ada: User, boss: User, fal: MockFalClient) -> None:
    generation = submitted(ada)
    people.deactivate(ada, author=boss, reason=WHY)
    assert money_of(ada) == (ONE_SONG, 0)
    assert Generation.objects.get().cancel_requested_at is None
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    assert Generation.objects.get().state == State.INGESTING
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), 0)


def test_what_fal_hands_back_after_the_closing_does_not_wait_again(ada: User, boss: User, fal: MockFalClient) -> None:
    asked_for(ada)
    claimed = dispatch.claim_next()
    assert claimed is not None
    people.deactivate(ada, author=boss, reason=WHY)
    fal.will_raise("submit", NotAccepted())
    dispatch.submit(claimed)
    ended = Generation.objects.get()
    assert (ended.state, ended.reason_code) == (State.CANCELLED, "account_closed")
    assert money_of(ada) == (0, 0)


def test_a_request_that_came_in_just_before_starts_nothing_after(ada: User, boss: User) -> None:
    people.deactivate(ada, author=boss, reason=WHY)
    with pytest.raises(AccountClosed):
        asked_for(ada)
    assert not Generation.objects.exists()
    assert money_of(ada) == (0, 0)


def test_other_people_notice_nothing(ada: User, bo: User, boss: User) -> None:
    waiting = asked_for(bo)
    token, raw = tokens.create(bo, "x")
    people.deactivate(ada, author=boss, reason=WHY)
    waiting.refresh_from_db()
    assert waiting.state == State.QUEUED
    assert tokens.person_of(raw) == bo
    assert not AccessToken.objects.get(pk=token.pk).revoked_at


def test_the_log_says_who_did_it_and_why(ada: User, boss: User) -> None:
    people.deactivate(ada, author=boss, reason=f"  {WHY}\n")
    assert log_of(ada) == [(boss.pk, "ada@example.com", f"Deactivated. Reason: {WHY}")]
    assert LogEntry.objects.get().action_flag == CHANGE


def test_deactivating_twice_changes_nothing_more(ada: User, boss: User) -> None:
    asked_for(ada)
    people.deactivate(ada, author=boss, reason=WHY)
    before, told = the_books(), Event.objects.count()
    people.deactivate(ada, author=boss, reason="again")
    assert (the_books(), Event.objects.count()) == (before, told)
    assert len(log_of(ada)) == 1


# --- Anonymising ------------------------------------------------------------------------------------------------------


@pytest.fixture
def known(ada: User, bo: User) -> User:
    """Ada with all that says who she is."""
    ada.first_name, ada.last_name, ada.is_staff, ada.password = "Ada", "Lovelace", True, "md5$a$slow hashes take time"
    ada.save()
    ada.groups.add(Group.objects.create(name="Ada's band"))
    ada.user_permissions.add(Permission.objects.all()[0])
    EmailAddress.objects.create(user=ada, email=ada.email, primary=True, verified=True)
    EmailAddress.objects.create(user=ada, email="lovelace@example.org")
    tokens.create(ada, "Ada's laptop")
    generations.start(person=ada, inputs=DESCRIBED, idempotency_key="from ada@example.com")
    return ada


def test_nothing_says_any_more_who_it_was(known: User, boss: User) -> None:
    admin_log.record(boss, known, "Changed the name of ada@example.com.")
    drafts.save(known, {"prompt": "Lovelace's own words"})
    presets.save(known, "Ada's", {"prompt": "Lovelace's own words"})
    gone = people.anonymise(known, author=boss, reason=WHY)
    stored = User.objects.get(pk=known.pk)
    assert stored.email == gone.email == f"gone-{known.pk}@anonymous.invalid"
    assert (stored.first_name, stored.last_name, stored.is_active, stored.is_staff) == ("", "", False, False)
    assert not stored.has_usable_password()
    left = (stored.groups, stored.user_permissions, EmailAddress.objects, AccessToken.objects, IdempotencyKey.objects)
    assert [rows.count() for rows in (*left, Draft.objects, Preset.objects)] == [0] * 7
    # Ids of songs are drawn, and may hold these letters among their digits.
    assert not re.search(r"(?<![0-9a-f])ada(?![0-9a-f])|lovelace", everything_stored(), re.IGNORECASE)


def everything_stored() -> str:
    """All rows of the tables that are about this person or about what was done to them."""
    models: list[Any] = [
        User.objects.exclude(email="bo@example.com"),
        EmailAddress,
        AccessToken,
        IdempotencyKey,
        Draft,
        Preset,
    ]
    models += [LogEntry, Event, Generation, Track, Session, Budget, Entry, Quota]
    rows = [getattr(model, "objects", model).values() for model in models]
    return repr([list(found) for found in rows])


def test_the_address_is_forgotten_in_lines_about_other_rows_too(ada: User, bo: User, boss: User) -> None:
    sent = "Sent to ADA@example.com, jada@example.com and ada@example.com.au; ask ada@example.com."
    admin_log.record(boss, bo, sent)
    people.anonymise(ada, author=boss, reason=WHY)
    gone = f"gone-{ada.pk}@anonymous.invalid"
    [(_author, name, text)] = log_of(bo)
    assert text == f"Sent to {gone}, jada@example.com and ada@example.com.au; ask {gone}."
    assert name == "bo@example.com"


def test_an_address_too_long_for_the_log_is_forgotten_all_the_same(db: None, boss: User) -> None:
    long = User.objects.create_user("x" * 60 + "@" + ".".join(["y" * 60] * 3) + ".org")
    assert 200 < len(long.email) < 254
    admin_log.record(boss, long, "Looked at.")
    people.anonymise(long, author=boss, reason=WHY)
    assert not LogEntry.objects.filter(object_repr__contains="yyy").exists()


def test_songs_words_and_every_line_of_the_books_stay(ada: User, boss: User) -> None:
    done = finished_song(ada, songs=2)
    before, titles = the_books(), list(Track.objects.values_list("title", flat=True))
    people.anonymise(ada, author=boss, reason=WHY)
    assert the_books() == before
    kept = Generation.objects.get()
    assert (kept.state, kept.recipe, kept.person_id) == (State.READY, done.recipe, ada.pk)
    assert list(Track.objects.values_list("title", flat=True)) == titles
    assert queries.card(User.objects.get(pk=ada.pk), kept.pk).charged_micros == money_of(ada)[1]


def test_anonymising_deactivates_first(ada: User, boss: User) -> None:
    generation = asked_for(ada)
    _token, raw = tokens.create(ada, "x")
    session = session_of(ada)
    people.anonymise(ada, author=boss, reason=WHY)
    assert Generation.objects.get(pk=generation.pk).state == State.CANCELLED
    assert tokens.person_of(raw) is None
    assert not SessionStore().exists(session)
    assert money_of(ada) == (0, 0)


def test_the_log_of_an_anonymous_person_names_the_author_alone(known: User, boss: User) -> None:
    people.deactivate(known, author=boss, reason="first")
    people.anonymise(known, author=boss, reason=WHY)
    gone = f"gone-{known.pk}@anonymous.invalid"
    assert log_of(known) == [
        (boss.pk, gone, "Deactivated. Reason: first"),
        (boss.pk, gone, f"Anonymised. Reason: {WHY}"),
    ]


def test_anonymising_twice_changes_nothing_more(known: User, boss: User) -> None:
    people.anonymise(known, author=boss, reason=WHY)
    before = everything_stored()
    people.anonymise(known, author=boss, reason="again")
    assert everything_stored() == before


def test_somebody_new_may_come_with_the_old_address(known: User, boss: User) -> None:
    people.anonymise(known, author=boss, reason=WHY)
    again = User.objects.create_user("ada@example.com")
    assert again.pk != known.pk
    assert money_of(again) == (0, 0)


# --- What is refused --------------------------------------------------------------------------------------------------

VERBS = [people.deactivate, people.anonymise]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("reason", ["", "  \n"])
def test_without_a_reason_nothing_is_done(ada: User, boss: User, verb: Any, reason: str) -> None:
    with pytest.raises(WhyMissing):
        verb(ada, author=boss, reason=reason)
    assert User.objects.get(pk=ada.pk).is_active
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_the_last_admin_stays(ada: User, boss: User, verb: Any) -> None:
    User.objects.create_superuser("retired@example.com", is_active=False)
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    with pytest.raises(LastAdmin):
        verb(boss, author=boss, reason=WHY)
    boss.refresh_from_db()
    assert (boss.is_active, boss.email) == (True, "boss@example.com")


@pytest.mark.parametrize("verb", VERBS)
def test_an_admin_beside_another_may_go(ada: User, boss: User, verb: Any) -> None:
    second = User.objects.create_superuser("second@example.com")
    assert not verb(second, author=boss, reason=WHY).is_active
    with pytest.raises(LastAdmin):
        verb(boss, author=boss, reason=WHY)


def test_an_admin_who_is_deactivated_already_may_be_anonymised(ada: User, boss: User) -> None:
    retired = User.objects.create_superuser("retired@example.com", is_active=False)
    assert not people.anonymise(retired, author=boss, reason=WHY).is_superuser


@pytest.mark.parametrize("verb", VERBS)
def test_who_is_not_there_is_not_found(boss: User, verb: Any) -> None:
    with pytest.raises(NotFound):
        verb(User(pk=987_654, email="x@example.com"), author=boss, reason=WHY)


def test_a_person_with_songs_cant_be_deleted(ada: User) -> None:
    asked_for(ada)
    with pytest.raises(ProtectedError):
        ada.delete()
    with pytest.raises(ProtectedError):
        User.objects.filter(pk=ada.pk).delete()
    assert money_of(ada) == (ONE_SONG, 0)


def test_a_person_with_money_alone_cant_be_deleted(ada: User, boss: User) -> None:
    generation = asked_for(ada)
    Event.objects.all().delete()
    Generation.objects.all().delete()
    with pytest.raises(ProtectedError) as caught:
        ada.delete()
    assert {type(row) for row in caught.value.protected_objects} == {Budget}
    assert Entry.objects.filter(reference=generation.hold_reference).exists()
