"""The admin's windows on people and songs, letting people go, and fal's bill against the books."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger import operations
from ledger.models import Entry
from studio import reconciliation, settling, tracks, transitions
from studio.admin import letting_go
from studio.fal.client import FalClient
from studio.models import Event, Generation, LineKind, Reconciliation, ReconciliationLine, Track, User
from tests.admins import Somebody, boss, plain_static_files, staff_with, superuser, text_of
from tests.ledger.books import assert_balanced
from tests.simulator.server import RunningSimulator, running_simulator
from tests.studio import people
from tests.studio.reconciliation.bills import Bill, client_of

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
PEOPLE = "/admin/studio/user/"
RUNS = "/admin/studio/reconciliation/"


class TestSongs:
    def test_lead_to_their_entries_and_are_found_by_request_id(self, boss: Client, ada: User) -> None:
        generation = people.submitted(ada)
        page = text_of(boss.get(reverse("admin:studio_generation_change", args=[generation.pk])))
        assert "costs $0.075" in page
        assert reverse("admin:ledger_entry_changelist", query={"q": generation.hold_reference}) in page
        assert reverse("admin:studio_user_change", args=[ada.pk]) in page
        assert "calm piano" not in page, "words are the person's own"
        assert generation.request_id
        for term in (generation.request_id, str(generation.pk), generation.hold_reference):
            assert generation.hold_reference in text_of(boss.get(reverse("admin:ledger_entry_changelist"), {"q": term}))
        found = text_of(boss.get(reverse("admin:studio_generation_changelist"), {"q": generation.request_id}))
        assert str(generation.pk) in found

    def test_tell_what_happened_with_the_time_between_and_no_word_of_the_person(self, boss: Client, ada: User) -> None:
        generation = people.submitted(ada)
        transitions.record(generation, "job_progress", state="RUNNING", logs=["a calm piano at the lake"])
        Event.objects.filter(name="job_started").update(at=generation.created_at + timedelta(hours=1, minutes=2))
        page = text_of(boss.get(reverse("admin:studio_generation_change", args=[generation.pk])))
        for words in ("Asked for; the price was set aside", "fal took it", "+1 h 2 min", "job_started"):
            assert words in page
        assert "calm piano" not in page

    def test_are_reached_from_their_entry(self, boss: Client, ada: User) -> None:
        generation = people.asked_for(ada)
        hold = Entry.objects.get(kind="HOLD")
        page = text_of(boss.get(reverse("admin:ledger_entry_change", args=[hold.pk])))
        assert reverse("admin:studio_generation_change", args=[generation.pk]) in page
        strange = operations.hold(person=ada, amount_micros=1, reference="generation:x")
        assert "generation:x" in text_of(boss.get(reverse("admin:ledger_entry_change", args=[strange.pk])))

    def test_that_failed_are_listed_by_their_reason(self, boss: Client, ada: User) -> None:
        down, other = (people.asked_for(ada) for _ in range(2))
        people.put(down, "FAILED", reason_code="fal_down")  # type: ignore[arg-type]
        page = text_of(boss.get("/admin/studio/generation/?state__exact=FAILED&reason_code=fal_down"))
        assert str(down.pk) in page
        assert str(other.pk) not in page

    def test_are_listed_by_their_endpoint(self, boss: Client, ada: User) -> None:
        generation = people.asked_for(ada)
        assert str(generation.pk) in text_of(boss.get("/admin/studio/generation/?endpoint=text-to-music"))
        assert str(generation.pk) not in text_of(boss.get("/admin/studio/generation/?endpoint=inpaint"))

    @pytest.mark.parametrize("term", ["\0", "x" * 3000, "11111111-1111-4111-8111-111111111111", "%"])
    def test_are_not_found_by_nonsense(self, boss: Client, ada: User, term: str) -> None:
        people.asked_for(ada)
        text_of(boss.get(reverse("admin:ledger_entry_changelist"), {"q": term}))


def doubtful(ada: User, **fields: Any) -> Track:
    generation = people.submitted(ada)
    settling.settle(generation.pk, people.song(), request_id=generation.request_id)
    Track.objects.filter(generation=generation).update(**{"alarm": "storage_full: no room"} | fields)
    return generation.tracks.get()


class TestTracksInDoubt:
    TRACKS = "/admin/studio/track/"

    def test_are_shown_with_what_is_wrong_and_fetched_again_by_a_click(
        self, boss: Client, superuser: User, ada: User
    ) -> None:
        track = doubtful(ada, run_at=timezone.now() + timedelta(hours=1))
        page = text_of(boss.get("/admin/"))
        assert "storage_full: no room" in page
        assert reverse("admin:studio_track_change", args=[track.pk]) in page
        assert 'role="alert"' not in page, "it waits by itself"
        answer = boss.post(self.TRACKS, {"action": "try_again", ACTION_CHECKBOX_NAME: [track.pk]}, follow=True)
        assert "1 track is fetched again." in text_of(answer)
        assert tracks.due() == [track.pk]
        line = LogEntry.objects.get()
        assert (line.user, line.object_id) == (superuser, str(track.pk))
        assert "storage_full" not in text_of(boss.get("/admin/"))

    def test_that_wait_for_a_person_raise_an_alarm_on_every_page(self, boss: Client, ada: User) -> None:
        dead = doubtful(ada, dead_at=timezone.now(), alarm="5 workers died over it")
        other = doubtful(ada)
        for address in ("/admin/", "/admin/ledger/quota/"):
            page = text_of(boss.get(address))
            assert "1 song could not be saved and waits for you." in page
        listed = text_of(boss.get(self.TRACKS, {"doubt": "dead"}))
        assert str(dead.pk) in listed
        assert str(other.pk) not in listed
        assert str(other.pk) in text_of(boss.get(self.TRACKS, {"doubt": "any"}))

    def test_that_can_not_be_fetched_again_are_named_and_stop_no_other(self, boss: Client, ada: User) -> None:
        track, ready = doubtful(ada), doubtful(ada)
        people.make_ready(ready)
        both = {"action": "try_again", ACTION_CHECKBOX_NAME: [track.pk, ready.pk]}
        page = text_of(boss.post(self.TRACKS, both, follow=True))
        assert "can be heard" in page
        assert "1 track is fetched again." in page

    def test_are_nobodys_to_wake_who_may_only_look(self, staff_with: Somebody, ada: User) -> None:
        track = doubtful(ada, dead_at=timezone.now())
        looker = staff_with("view_track")
        looker.post(self.TRACKS, {"action": "try_again", ACTION_CHECKBOX_NAME: [track.pk]})
        track.refresh_from_db()
        assert track.dead_at is not None
        assert "fetched again" not in text_of(looker.get(self.TRACKS))


def let_go(action: str, *chosen: User, **more: Any) -> dict[str, Any]:
    return {"action": action, ACTION_CHECKBOX_NAME: [person.pk for person in chosen], **more}


class TestPeople:
    def test_are_listed_with_what_they_use_and_their_quota(self, boss: Client, ada: User) -> None:
        operations.hold(person=ada, amount_micros=112_500, reference="song")
        page = text_of(boss.get(PEOPLE))
        assert "$0.1125" in page
        assert reverse("admin:ledger_quota_change", args=[ada.quota.pk]) in page
        newcomer = User.objects.create_user("new@example.com")
        assert reverse("admin:ledger_quota_changelist", query={"q": newcomer.email}) in text_of(boss.get(PEOPLE))

    @pytest.mark.parametrize("action", ["deactivate", "anonymise"])
    def test_are_let_go_with_a_reason(self, boss: Client, superuser: User, ada: User, bo: User, action: str) -> None:
        page = text_of(boss.post(PEOPLE, let_go(action, ada, bo, index=0)))
        assert "ada@example.com" in page
        ada.refresh_from_db()
        assert ada.is_active
        assert "errorlist" in text_of(boss.post(PEOPLE, let_go(action, ada, bo, confirmed="yes", reason=" ")))
        answer = boss.post(PEOPLE, let_go(action, ada, bo, confirmed="yes", reason="They left"), follow=True)
        assert "2 people were let go" in text_of(answer)
        for person in (ada, bo):
            person.refresh_from_db()
            assert not person.is_active
            assert person.email.endswith("anonymous.invalid") == (action == "anonymise")
        lines = LogEntry.objects.filter(user=superuser, change_message__contains="They left")
        assert lines.count() == 2

    def test_who_cant_be_let_go_stop_nobody_else(self, boss: Client, superuser: User, ada: User) -> None:
        answer = boss.post(PEOPLE, let_go("deactivate", superuser, ada, confirmed="yes", reason="All"), follow=True)
        page = text_of(answer)
        assert "only admin" in page
        assert "1 person was let go" in page
        superuser.refresh_from_db()
        assert superuser.is_active

    def test_are_let_go_a_hundred_at_a_time(
        self, boss: Client, ada: User, bo: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(letting_go, "MAX_AT_ONCE", 1)
        page = text_of(boss.post(PEOPLE, let_go("deactivate", ada, bo, index=0), follow=True))
        assert "at most 1 people" in page

    def test_are_anonymised_only_by_who_might_delete(self, staff_with: Somebody, ada: User) -> None:
        changing = staff_with("change_user", "view_user")
        page = text_of(changing.get(PEOPLE))
        assert "Deactivate…" in page
        assert "Anonymise…" not in page
        changing.post(PEOPLE, let_go("anonymise", ada, confirmed="yes", reason="They left"))
        ada.refresh_from_db()
        assert ada.email == "ada@example.com"
        looking = staff_with("view_user")
        looking.post(PEOPLE, let_go("deactivate", ada, confirmed="yes", reason="They left"))
        ada.refresh_from_db()
        assert ada.is_active

    def test_are_never_deleted_and_never_switched_off_by_a_tick(self, boss: Client, ada: User) -> None:
        assert boss.post(f"{PEOPLE}{ada.pk}/delete/", {"post": "yes"}).status_code == 403
        page = text_of(boss.get(f"{PEOPLE}{ada.pk}/change/"))
        assert 'name="is_active"' not in page
        User.objects.filter(pk=ada.pk).update(is_active=False)
        assert 'name="is_active"' in text_of(boss.get(f"{PEOPLE}{ada.pk}/change/"))


@pytest.fixture(scope="module")
def sim() -> Any:
    with running_simulator() as running:
        yield running


@pytest.fixture
def bill(sim: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Bill:
    def client() -> FalClient:
        return client_of(sim)

    monkeypatch.setattr(reconciliation, "from_settings", client)
    return Bill(sim)


@pytest.mark.usefixtures("ada")
class TestReconciliation:
    def test_runs_at_a_click_and_one_line_of_it_is_booked(self, boss: Client, superuser: User, bill: Bill) -> None:
        bill.add("only-fals")
        assert "Ask fal now" in text_of(boss.get(RUNS))
        page = text_of(boss.post(f"{RUNS}run/", follow=True))
        assert "1 difference between fal’s bill and the books." in page
        assert "1 line<" in page
        run = Reconciliation.objects.get()
        assert run.author == superuser
        assert LogEntry.objects.get().object_id == str(run.pk)
        lines = text_of(
            boss.get("/admin/studio/reconciliationline/", {"run__id__exact": str(run.pk), "kind": "ONLY_FALS"})
        )
        assert "only-fals" in lines
        line = run.lines.get()
        book = reverse("admin:studio_reconciliationline_book", args=[line.pk])
        assert book in lines
        assert "$0.075" in text_of(boss.get(book))
        assert "errorlist" in text_of(boss.post(book, {"reason": " "}))
        for _ in range(2):
            assert boss.post(book, {"reason": "Made by hand"}).status_code == 302
        line.refresh_from_db()
        assert line.booked_by == superuser
        entry = Entry.objects.get(kind="CHARGE")
        assert (entry.spent_delta, entry.author, entry.reason) == (75_000, superuser, "Made by hand")
        assert LogEntry.objects.filter(change_message__contains="Made by hand").count() == 1
        assert_balanced()
        bill.remove("only-fals")

    def test_says_why_fal_could_not_be_asked(self, boss: Client, bill: Bill, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reconciliation, "from_settings", lambda: client_of(bill.sim, key="wrong:key"))
        page = text_of(boss.post(f"{RUNS}run/", follow=True))
        assert "FAL_ADMIN_KEY" in page
        assert "did not end" in page

    def test_says_what_stands_in_the_way_of_booking(self, boss: Client, bill: Bill) -> None:
        assert bill
        run = Reconciliation.objects.create(since=timezone.now() - timedelta(hours=1), until=timezone.now())
        line = run.lines.create(
            kind=LineKind.ONLY_FALS, request_id="gone", endpoint="text-to-music", ours_micros=0, fals_micros=75_000
        )
        book = reverse("admin:studio_reconciliationline_book", args=[line.pk])
        assert "differ by" in text_of(boss.post(book, {"reason": "?"}))
        price = run.lines.create(kind=LineKind.PRICE, endpoint="text-to-music", ours_micros=1, fals_micros=2)
        book = reverse("admin:studio_reconciliationline_book", args=[price.pk])
        assert "can’t be booked" in re.sub("&#x27;|'", "’", text_of(boss.post(book, {"reason": "?"})))
        assert not Entry.objects.filter(kind="CHARGE").exists()

    def test_takes_permissions_of_its_own(self, staff_with: Somebody, bill: Bill) -> None:
        assert bill
        run = Reconciliation.objects.create(since=timezone.now(), until=timezone.now())
        line: ReconciliationLine = run.lines.create(
            kind=LineKind.ONLY_FALS, request_id="r", endpoint="e", ours_micros=0, fals_micros=1
        )
        looking = staff_with("view_reconciliation", "view_reconciliationline")
        assert "Ask fal now" not in text_of(looking.get(RUNS))
        assert looking.post(f"{RUNS}run/").status_code == 403
        assert looking.get(f"{RUNS}run/").status_code == 405
        assert looking.post(reverse("admin:studio_reconciliationline_book", args=[line.pk])).status_code == 403
        assert Reconciliation.objects.count() == 1
        assert not Generation.objects.exists()
