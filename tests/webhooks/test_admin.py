"""The admin's window on callbacks: what is shown of one, sending it through again, and the health of them all."""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from studio import settling, sweep
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.admins import Somebody, boss, browser_of, plain_static_files, staff_with, superuser, text_of
from tests.studio.fixtures import Rings
from tests.studio.people import ONE_SONG, house_micros, money_of, song, submitted
from tests.webhooks.conftest import Door
from tests.webhooks.delivering import delivered, ok, stored
from tests.webhooks.signing import error_body, ok_body
from webhooks import health, tallies, tasks
from webhooks.admin.bodies import SHOWN_CHARACTERS, readable
from webhooks.models import Delivery, Flag, Outcome, Tally

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
LIST = "/admin/webhooks/delivery/"
HEALTH = "/admin/webhooks/tally/"


def address(delivery: Delivery) -> str:
    return f"{LIST}{delivery.pk}/change/"


def replay_address(delivery: Delivery) -> str:
    return f"{LIST}{delivery.pk}/replay/"


def replayed(browser: Client, delivery: Delivery) -> Delivery:
    """Sent through again by a click, and processed."""
    assert browser.post(replay_address(delivery)).status_code == 302
    tasks.process_waiting()
    delivery.refresh_from_db()
    return delivery


class TestDeliveries:
    def test_are_listed_by_flag_and_by_whether_they_wait(self, boss: Client, generation: Generation) -> None:
        delivered(generation, ok(generation))
        stored(uuid4(), ok_body("flagged-one", song()), "flagged-one")
        tasks.process_waiting()
        stored(uuid4(), ok_body("waiting-one", song()), "waiting-one")
        shown = {
            query: set(re.findall(r"flagged-one|waiting-one|" + str(generation.request_id), text_of(boss.get(query))))
            for query in (LIST, f"{LIST}?flag=any", f"{LIST}?flag={Flag.UNKNOWN_GENERATION}", f"{LIST}?flag=DEAD",
                          f"{LIST}?processed=waiting", f"{LIST}?processed=done", f"{LIST}?processed=replayed")
        }  # fmt: skip
        assert list(shown.values()) == [
            {str(generation.request_id), "flagged-one", "waiting-one"}, {"flagged-one"}, {"flagged-one"}, set(),
            {"waiting-one"}, {str(generation.request_id), "flagged-one"}, set(),
        ]  # fmt: skip
        assert "for a song that isn’t here" in text_of(boss.get(LIST))

    def test_are_found_by_request_id_and_by_song(self, boss: Client, generation: Generation) -> None:
        delivered(generation, ok(generation))
        stored(uuid4(), ok_body("another", song()), "another")
        for term in (str(generation.request_id), str(generation.pk), f" {generation.request_id} "):
            page = text_of(boss.get(LIST, {"q": term}))
            assert str(generation.request_id) in page
            assert ">another<" not in page

    @pytest.mark.parametrize("query", ["q=%00", "q=" + "x" * 3000, "q=%25", "flag=x", "processed=x"])
    def test_are_not_broken_by_nonsense(self, boss: Client, generation: Generation, query: str) -> None:
        delivered(generation, ok(generation))
        text_of(boss.get(f"{LIST}?{query}"))

    def test_say_that_a_filter_with_a_nul_is_none(self, boss: Client) -> None:
        assert boss.get(f"{LIST}?flag=%00").status_code == 400

    def test_lead_to_their_song_and_say_what_their_flag_means(self, boss: Client, generation: Generation) -> None:
        delivery = delivered(generation, ok_body("foreign", song()), "foreign")
        page = text_of(boss.get(address(delivery)))
        assert reverse("admin:studio_generation_change", args=[generation.pk]) in page
        assert "another request than this song" in page

    def test_can_be_looked_at_but_not_changed(self, boss: Client, generation: Generation) -> None:
        delivery = delivered(generation, ok(generation))
        page = text_of(boss.get(address(delivery)))
        assert 'name="_save"' not in page
        assert boss.post(address(delivery), {"flag": "DEAD"}).status_code == 403
        assert boss.post(f"{LIST}{delivery.pk}/delete/", {"post": "yes"}).status_code == 403
        assert boss.get(f"{LIST}add/").status_code == 403

    def test_are_for_those_with_the_permission(self, staff_with: Somebody, generation: Generation) -> None:
        delivery = delivered(generation, ok(generation))
        for path in (LIST, address(delivery), HEALTH):
            assert staff_with("view_generation").get(path).status_code == 403
        assert staff_with("view_delivery").get(LIST).status_code == 200
        assert staff_with("view_tally").get(HEALTH).status_code == 200


class TestBodies:
    def test_are_shown_without_a_persons_words_and_without_what_opens_a_file(self) -> None:
        told = song("https://v3.fal.media/a.wav?X-Amz-Signature=secret", lyrics="my own words", tags=["my tag"])
        detail = [{"loc": ["body", "prompt"], "msg": "refused", "input": "my prompt"}]
        shown = readable(ok_body("r", told | {"detail": detail}))
        assert not re.search("my own words|my tag|my prompt|secret", shown)
        assert "https://v3.fal.media/a.wav?…" in shown
        assert '"status": "OK"' in shown
        assert "(12 characters)" in shown
        assert '"msg": "refused"' in shown

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"\xff\xfe\0" * 100_000, b"{" * 100_000, b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900,
            json.dumps({"x" * 9000: "y" * 200_000}).encode(), json.dumps([["z" * 400] * 60] * 10).encode(),
            json.dumps({str(n): {str(m): "v" * 500 for m in range(60)} for n in range(60)}).encode(),
            b'{"a": "half \\ud800"}', b"7", b'"<script>alert(1)</script>"',
        ],
        ids=range(11),
    )  # fmt: skip
    def test_of_any_kind_are_shown_in_bounds(self, boss: Client, generation: Generation, body: bytes) -> None:
        assert len(readable(body)) <= SHOWN_CHARACTERS + 2
        page = text_of(boss.get(address(delivered(generation, body))))
        assert "<script>alert" not in page
        assert len(page) < 60_000


class TestReplay:
    def test_goes_the_way_of_a_fresh_one_and_is_logged(
        self, boss: Client, superuser: User, ada: User, generation: Generation, rings: Rings, monkeypatch: Any
    ) -> None:
        def settle(*_: object, **__: object) -> None:
            raise RuntimeError("a bug of ours")

        delivery = stored(generation.pk, ok(generation), str(generation.request_id))
        with monkeypatch.context() as patch:
            patch.setattr(settling, "settle", settle)
            Delivery.objects.update(attempts=8)
            tasks.process_waiting()
        delivery.refresh_from_db()
        assert delivery.flag == Flag.DEAD
        assert replay_address(delivery) in text_of(boss.get(address(delivery)))
        rings.clear()
        assert replayed(boss, delivery).flag == ""
        assert delivery.replayed_at is not None
        generation.refresh_from_db()
        assert (generation.state, money_of(ada)) == (State.INGESTING, (0, ONE_SONG))
        line = LogEntry.objects.get()
        assert (line.user, line.object_id) == (superuser, str(delivery.pk))
        assert "flagged: dead" in line.change_message

    @pytest.mark.django_db(transaction=True)
    def test_rings_for_a_worker_once_it_is_committed(self, boss: Client, generation: Generation, rings: Rings) -> None:
        delivery = delivered(generation, ok(generation))
        rings.clear()
        boss.post(replay_address(delivery))
        assert rings == [("webhooks.process_waiting", {})]

    def test_of_what_took_effect_has_none(self, boss: Client, ada: User, generation: Generation) -> None:
        delivery = delivered(generation, ok(generation))
        told = generation.events.count()
        for _ in range(2):
            assert replayed(boss, delivery).flag == ""
        assert (generation.events.count(), generation.tracks.count()) == (told, 1)
        assert (money_of(ada), house_micros()) == ((0, ONE_SONG), 0)

    def test_of_a_different_second_payload_is_flagged_again(
        self, boss: Client, ada: User, generation: Generation
    ) -> None:
        first = delivered(generation, error_body(str(generation.request_id)))
        second = delivered(generation, ok(generation))
        assert replayed(boss, second).flag == Flag.DIFFERENT_PAYLOAD
        assert replayed(boss, first).flag == ""
        generation.refresh_from_db()
        assert (generation.state, money_of(ada)) == (State.FAILED, (0, 0))

    def test_of_a_dead_first_one_does_not_overrule_the_second_that_counted(
        self, boss: Client, ada: User, generation: Generation
    ) -> None:
        first = stored(generation.pk, error_body(str(generation.request_id)), str(generation.request_id))
        Delivery.objects.filter(pk=first.pk).update(flag=Flag.DEAD, processed_at=timezone.now())
        delivered(generation, ok(generation))
        assert replayed(boss, first).flag == Flag.DIFFERENT_PAYLOAD
        generation.refresh_from_db()
        assert (generation.state, money_of(ada)) == (State.INGESTING, (0, ONE_SONG))

    def test_of_one_under_way_does_nothing(self, boss: Client, generation: Generation) -> None:
        delivery = stored(generation.pk, ok(generation), str(generation.request_id))
        Delivery.objects.filter(pk=delivery.pk).update(run_at=timezone.now() + timedelta(seconds=60), attempts=1)
        before = Delivery.objects.values().get()
        page = text_of(boss.post(replay_address(delivery), follow=True))
        assert "under way already" in page
        assert Delivery.objects.values().get() == before
        assert not LogEntry.objects.exists()

    def test_takes_a_permission_of_its_own_and_a_post(self, staff_with: Somebody, generation: Generation) -> None:
        delivery = delivered(generation, ok(generation))
        looking = staff_with("view_delivery", "change_delivery")
        assert replay_address(delivery) not in text_of(looking.get(address(delivery)))
        assert looking.post(replay_address(delivery)).status_code == 403
        assert staff_with("replay_delivery").post(replay_address(delivery)).status_code == 403
        may = staff_with("view_delivery", "replay_delivery")
        assert may.get(replay_address(delivery)).status_code == 405
        assert Client().post(replay_address(delivery)).status_code == 302, "to the login"
        assert Delivery.objects.get().replayed_at is None
        assert may.post(replay_address(delivery)).status_code == 302
        assert Delivery.objects.get().replayed_at is not None

    def test_is_not_made_from_another_site(self, superuser: User, generation: Generation) -> None:
        delivery = delivered(generation, ok(generation))
        assert browser_of(superuser, checks_csrf=True).post(replay_address(delivery)).status_code == 403
        assert Delivery.objects.get().replayed_at is None

    def test_of_one_that_is_not_there_is_a_404(self, boss: Client) -> None:
        assert boss.post(f"{LIST}404/replay/").status_code == 404


def lag_now() -> tuple[float, float]:
    lag = health.read().lag
    assert lag is not None
    return round(lag.median_seconds, 3), round(lag.worst_seconds, 3)


class TestHealth:
    def test_of_nothing_is_shown_too(self, boss: Client) -> None:
        page = text_of(boss.get(HEALTH))
        assert "never" in page
        assert "not needed yet" in page

    def test_says_how_long_callbacks_take(self, boss: Client) -> None:
        for seconds in (1, 2, 60):
            stored(uuid4(), ok_body(f"r{seconds}", song()), f"r{seconds}")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE webhooks_delivery SET processed_at = received_at + interval '1 second' * "
                           "replace(request_id, 'r', '')::int")  # fmt: skip
        assert lag_now() == (2, 60)
        Delivery.objects.filter(request_id="r60").update(replayed_at=timezone.now())
        Delivery.objects.filter(request_id="r2").update(flag=Flag.DEAD)
        assert lag_now() == (1, 1)
        assert "1.00 s" in text_of(boss.get(HEALTH))

    @pytest.mark.django_db
    def test_counts_by_the_hour(self) -> None:
        for number in range(3):
            stored(uuid4(), ok_body(f"r{number}", song()), f"r{number}")
        now = timezone.now()
        Delivery.objects.filter(request_id="r0").update(received_at=now - timedelta(hours=5))
        Delivery.objects.filter(request_id="r1").update(received_at=now - timedelta(hours=30))
        found = health.read()
        assert len(found.hours) == health.HOURS
        assert [hour.deliveries for hour in found.hours if hour.deliveries] == [1, 1]
        assert (found.hours[-1].deliveries, found.hours[-6].deliveries, found.deliveries) == (1, 1, 2)

    def test_shows_what_waits_what_is_flagged_and_what_is_dead(self, boss: Client, generation: Generation) -> None:
        delivered(generation, ok_body("foreign", song()), "foreign")
        dead = stored(uuid4(), ok_body("dead", song()), "dead")
        Delivery.objects.filter(pk=dead.pk).update(flag=Flag.DEAD, processed_at=timezone.now())
        stored(uuid4(), ok_body("waits", song()), "waits")
        found = health.read()
        assert (found.waiting.count, found.dead) == (1, 1)
        assert found.flagged == {Flag.DEAD: 1, Flag.FOREIGN_REQUEST: 1}
        assert found.last is not None
        assert found.last.request_id == "waits"
        page = text_of(boss.get(HEALTH))
        for link in ("?processed=waiting", "?flag=DEAD", "?flag=FOREIGN_REQUEST"):
            assert link in page
            text_of(boss.get(LIST + link))

    def test_shows_what_was_refused_and_why(self, boss: Client, door: Door, generation: Generation) -> None:
        body = ok(generation)
        assert [door.deliver(generation, body) for _ in range(3)] == [200] * 3
        assert door.deliver(generation, body, account="stranger") == 403
        for _ in range(2):
            assert door.post(generation.pk, body, {}).status_code == 403
        tallies._of_this_process().write()
        found = health.read()
        assert found.refused == {Outcome.HEADERS: 2, Outcome.ACCOUNT: 1}
        assert (found.repeats, found.refused_count, found.hours[-1].refused) == (2, 3, 3)
        page = text_of(boss.get(HEALTH))
        assert "another account" in page
        assert "1, fetched" in page

    def test_names_the_songs_that_no_callback_settled(
        self, boss: Client, ada: User, bo: User, fal: MockFalClient, settings: Settings
    ) -> None:
        settings.NEOAPEX_FAL_SLOTS = 4
        called, swept, failed, flagged = submitted(ada), submitted(ada), submitted(bo), submitted(bo)
        delivered(called, ok(called))
        fal.advance(str(swept.request_id))
        sweep.ask_soon(swept.pk, str(swept.request_id))
        sweep.sweep()
        settling.fail(failed, sweep.NoTrace())
        delivered(flagged, b"not json")
        settling.settle(flagged.pk, song(), request_id=flagged.request_id)
        found = health.read()
        assert {row.pk for row in found.swept} == {swept.pk, failed.pk, flagged.pk}
        assert found.swept_count == 3
        page = text_of(boss.get(HEALTH))
        assert str(swept.pk) in page
        assert str(called.pk) not in page

    def test_costs_few_queries_however_much_there_is(self, boss: Client, django_assert_max_num_queries: Any) -> None:
        for number in range(5):
            stored(uuid4(), ok_body(f"r{number}", song()), f"r{number}")
        with django_assert_max_num_queries(14):
            text_of(boss.get(HEALTH))

    def test_tells_how_callbacks_are_judged(self, boss: Client, settings: Settings) -> None:
        settings.NEOAPEX_WEBHOOK_SCHEME = "hmac"
        settings.NEOAPEX_WEBHOOK_SECRET = "hush-hush"
        settings.NEOAPEX_FAL_USER_ID = ""
        settings.SETTLE_BY_POLLING = True
        page = text_of(boss.get(HEALTH))
        assert "hmac" in page
        assert "doorbells only" in page
        assert "settled by asking" in page
        assert "hush" not in page

    def test_links_only_to_what_one_may_see(self, staff_with: Somebody, generation: Generation) -> None:
        delivered(generation, ok(generation))
        page = text_of(staff_with("view_tally").get(HEALTH))
        assert LIST not in page
        assert staff_with("view_tally").get(f"{HEALTH}1/change/").status_code == 302
        assert not Tally.objects.exists()
