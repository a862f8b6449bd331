"""The organisation's own systems hear of songs: signed, once for each event unless they ask for more, and whatever
goes wrong on their side."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from studio import receivers, settling
from studio.errors import InvalidInput
from studio.fal.errors import GenerationFailed
from studio.media.pinned import SourceLimits
from studio.models import Message, Receiver, User
from tests.admins import Somebody, boss, plain_static_files, staff_with, superuser, text_of
from tests.studio.fixtures import Rings
from tests.studio.people import errors_in, finished_song, race, submitted

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Other:
    """A system of the organisation's, over real HTTP: what it was told, and what it answers."""

    url: str = ""
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: status(200))

    def verified(self, secret: str) -> list[Any]:
        return [Webhook(secret).verify(body, headers) for headers, body in self.told]


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def says_nothing(handler: BaseHTTPRequestHandler) -> None:
    handler.server.ended.wait(10)  # type: ignore[attr-defined]


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def endless_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.ended.wait(0.05):  # type: ignore[attr-defined]
        handler.wfile.write(b"x")


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[Other]:
    system = Other()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            system.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
            try:
                system.answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.ended = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    system.url = f"http://127.0.0.1:{server.server_port}/hooks"
    monkeypatch.setattr(
        receivers, "LIMITS", SourceLimits(max_bytes=0, connect_seconds=1, read_seconds=0.3, total_seconds=1)
    )
    yield system
    server.ended.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.fixture
def secret(other: Other, db: None) -> str:
    return receivers.make("CRM", other.url)[1]


def due_now() -> None:
    Message.objects.filter(state="WAITING").update(run_at=timezone.now() - timedelta(seconds=1))


def the_message() -> Message:
    return Message.objects.get()


def test_a_song_that_is_ready_is_told_once_and_verifies(
    ada: User, other: Other, secret: str, rings: Rings, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        generation = finished_song(ada, songs=2)
    assert ("studio.send_messages", {}) in rings
    assert receivers.send_due() == 1
    assert receivers.send_due() == 0
    [told] = other.verified(secret)
    assert (told["type"], told["data"]["generation"]) == ("job_succeeded", str(generation.pk))
    assert told["data"]["state"] == "READY"
    assert told["data"]["tracks"] == [str(track.pk) for track in generation.tracks.order_by("variation")]
    assert (told["data"]["cost"], told["data"]["charged"]) == ("0.1125", "0.1125")
    message = the_message()
    assert (message.state, message.attempts, message.answer) == ("DELIVERED", 1, "HTTP 200")
    [(headers, body)] = other.told
    assert headers["webhook-id"] == f"msg_{message.pk.hex}"
    assert headers["content-type"] == "application/json"
    assert b"piano" not in body, "no words of a person's"


def test_a_song_that_failed_is_told_with_whose_fault_it_was(ada: User, other: Other, secret: str) -> None:
    generation = submitted(ada)
    settling.settle(generation.pk, GenerationFailed("no", code="content_policy_violation"), request_id=None)
    receivers.send_due()
    [told] = other.verified(secret)
    assert (told["type"], told["data"]["state"], told["data"]["whose"]) == ("job_failed", "FAILED", "fal")
    assert told["data"]["tracks"] == []


def test_without_a_receiver_nothing_is_written_and_one_that_is_off_is_left_out(ada: User, other: Other) -> None:
    finished_song(ada)
    receiver = receivers.make("CRM", other.url)[0]
    receivers.enable(receiver, enabled=False)
    finished_song(ada)
    assert not Message.objects.exists()


def test_what_is_rolled_back_is_told_to_nobody(ada: User, secret: str) -> None:
    generation = submitted(ada)
    with transaction.atomic():
        settling.settle(generation.pk, GenerationFailed("no"), request_id=None)
        assert Message.objects.exists()
        transaction.set_rollback(True)
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("answer", "words"),
    [(status(500), "HTTP 500"), (status(404), "HTTP 404"), (status(302, Location="http://127.0.0.1/"), "HTTP 302"),
     (says_nothing, "too slow"), (hangs_up, "RemoteProtocolError")],
    ids=["500", "404", "redirect", "timeout", "disconnect"],
)  # fmt: skip
def test_whatever_goes_wrong_it_is_tried_again_later_under_the_same_id(
    ada: User, other: Other, secret: str, answer: Answer, words: str
) -> None:
    finished_song(ada)
    other.answer = answer
    started = time.monotonic()
    assert receivers.send_due() == 1
    assert time.monotonic() - started < 5
    message = the_message()
    assert (message.state, message.attempts, message.answer, message.leased_until) == ("WAITING", 1, words, None)
    assert 8 < (message.run_at - timezone.now()).total_seconds() < 16
    assert receivers.send_due() == 0
    other.answer = status(204)
    due_now()
    receivers.send_due()
    assert the_message().state == "DELIVERED"
    assert len({headers["webhook-id"] for headers, _ in other.told}) == 1
    assert len(other.told) == 2, "and no redirect was followed"


def test_a_body_without_end_is_not_waited_for(ada: User, other: Other, secret: str) -> None:
    finished_song(ada)
    other.answer = endless_body
    started = time.monotonic()
    receivers.send_due()
    assert time.monotonic() - started < 3
    assert the_message().state == "DELIVERED"


def test_the_pauses_grow_up_to_a_day_and_after_the_last_it_is_left_to_a_person(
    ada: User, other: Other, secret: str
) -> None:
    finished_song(ada)
    other.answer = status(503)
    pauses = []
    for _ in range(receivers.TRIES):
        due_now()
        assert receivers.send_due() == 1
        pauses.append((the_message().run_at - timezone.now()).total_seconds())
    assert all(later > earlier or later > 86_000 for earlier, later in pairwise(pauses[:-1]))
    assert 86_000 < max(pauses) <= 86_405
    assert (the_message().state, the_message().attempts) == ("FAILED", receivers.TRIES)
    due_now()
    assert receivers.send_due() == 0


def test_a_receiver_that_says_when_to_come_again_is_not_asked_before(ada: User, other: Other, secret: str) -> None:
    finished_song(ada)
    other.answer = status(429, Retry_After="600")
    receivers.send_due()
    assert 590 < (the_message().run_at - timezone.now()).total_seconds() < 606


def test_a_receiver_that_is_gone_is_switched_off(ada: User, other: Other, secret: str) -> None:
    finished_song(ada)
    other.answer = status(410)
    receivers.send_due()
    assert the_message().state == "FAILED"
    assert not Receiver.objects.get().enabled


def test_what_waits_for_one_that_was_switched_off_fails_unsent(ada: User, other: Other, secret: str) -> None:
    finished_song(ada)
    receivers.enable(Receiver.objects.get(), enabled=False)
    receivers.send_due()
    assert (the_message().state, the_message().answer, other.told) == ("FAILED", "switched off", [])


def test_a_worker_that_dies_with_it_leaves_it_to_another(ada: User, other: Other, secret: str) -> None:
    finished_song(ada)
    assert receivers._claim() is not None
    assert receivers._claim() is None
    Message.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert receivers.send_due() == 1
    assert (the_message().state, the_message().attempts) == ("DELIVERED", 2)


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_each_message_once_and_one_at_a_time(ada: User, other: Other, secret: str) -> None:
    for _ in range(4):
        finished_song(ada)
    busy = threading.Lock()

    def one_at_a_time(handler: BaseHTTPRequestHandler) -> None:
        assert busy.acquire(blocking=False), "two at once"
        time.sleep(0.02)
        busy.release()
        status(200)(handler)

    other.answer = one_at_a_time
    assert not errors_in(race(4, lambda _: receivers.send_due()))
    receivers.send_due()
    ids = [headers["webhook-id"] for headers, _ in other.told]
    assert len(ids) == len(set(ids)) == 4
    assert set(Message.objects.values_list("state", flat=True)) == {"DELIVERED"}


def test_a_receiver_that_hangs_holds_up_no_other(ada: User, other: Other, secret: str) -> None:
    quick, _secret = receivers.make("BI", other.url + "/bi")
    finished_song(ada)
    hanging = Message.objects.exclude(receiver=quick).get()
    Message.objects.filter(pk=hanging.pk).update(leased_until=timezone.now() + timedelta(seconds=30))
    finished_song(ada)
    assert receivers.send_due() == 2
    assert set(Message.objects.filter(state="DELIVERED").values_list("receiver", flat=True)) == {quick.pk}


def test_for_a_day_after_a_rotation_both_secrets_verify(ada: User, other: Other, secret: str) -> None:
    receiver = Receiver.objects.get()
    new = receivers.rotate(receiver)
    finished_song(ada)
    receivers.send_due()
    assert other.verified(secret)
    assert other.verified(new)
    Receiver.objects.update(rotated_at=timezone.now() - timedelta(days=1, seconds=1))
    other.told.clear()
    finished_song(ada)
    receivers.send_due()
    assert other.verified(new)
    with pytest.raises(WebhookVerificationError):
        other.verified(secret)


# --- Where nothing is sent to ----------------------------------------------------------------------------------------

REFUSED = [
    "http://example.com/", "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest", "ftp://x.example/",
    "https://[::1]/", "https://user:pw@example.com/", "https://localhost/", "https://2130706433/", "https://", "x",
    "http://localhost:80/", "http://127.0.0.1.nip.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_no_receiver_is_made_within_private_networks(db: None, url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        receivers.make("CRM", url)
    assert caught.value.problems[0].field == "url"


def test_in_production_this_machine_is_no_receiver_either(db: None, settings: Settings) -> None:
    settings.NEOAPEX_ENV = "production"
    with pytest.raises(InvalidInput):
        receivers.make("CRM", "http://127.0.0.1:8000/")


def test_an_address_that_has_moved_into_a_private_network_is_not_connected_to(
    ada: User, other: Other, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Receiver.objects.update(url="https://hooks.example.com/")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.7", 443))])
    finished_song(ada)
    receivers.send_due()
    assert (the_message().state, the_message().answer) == ("WAITING", "HostRefused")


@pytest.mark.parametrize(("name", "field_name"), [("", "name"), ("  ", "name"), ("x" * 81, "name"), ("Twice", "url")])
def test_a_receiver_has_a_name_and_an_address_of_its_own(other: Other, secret: str, name: str, field_name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        receivers.make(name, other.url)
    assert caught.value.problems[0].field == field_name


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(ada: User, other: Other, secret: str) -> None:
    finished_song(ada)
    receivers.send_due()
    finished_song(ada)
    Message.objects.filter(state="DELIVERED").update(ended_at=timezone.now() - timedelta(days=91))
    assert receivers.forget_old() == 1
    assert the_message().state == "WAITING"


# --- In the admin ----------------------------------------------------------------------------------------------------

LIST, MESSAGES = "/admin/studio/receiver/", "/admin/studio/message/"


def test_the_secret_is_shown_once(boss: Client, other: Other, db: None) -> None:
    made = boss.post(f"{LIST}make/", {"name": "CRM", "url": other.url})
    receiver = Receiver.objects.get()
    assert receiver.secret in text_of(made)
    assert "no-store" in made.headers["Cache-Control"]
    pages = [LIST, f"{LIST}{receiver.pk}/change/", MESSAGES, "/admin/"]
    assert not any(receiver.secret in text_of(boss.get(page)) for page in pages)
    before = receiver.secret
    rotated = text_of(boss.post(f"{LIST}{receiver.pk}/rotate/"))
    receiver.refresh_from_db()
    assert receiver.secret in rotated
    assert before not in rotated
    assert receiver.secret != before == receiver.secret_before


def test_a_wrong_address_is_said_beside_its_field(boss: Client) -> None:
    page = text_of(boss.post(f"{LIST}make/", {"name": "CRM", "url": "https://10.0.0.1/"}))
    assert "Nothing is sent to this address" in page
    assert not Receiver.objects.exists()


def test_a_message_can_be_sent_again_from_its_page(boss: Client, ada: User, other: Other, secret: str) -> None:
    finished_song(ada)
    other.answer = status(410)
    receivers.send_due()
    message = the_message()
    receiver = Receiver.objects.get()
    assert "Send again" in text_of(boss.get(f"{MESSAGES}{message.pk}/change/"))
    assert boss.post(f"{LIST}{receiver.pk}/switch/", {"on": "yes"}).status_code == 302
    other.answer = status(200)
    assert boss.post(f"{MESSAGES}{message.pk}/resend/").status_code == 302
    assert the_message().state == "WAITING"
    receivers.send_due()
    assert the_message().state == "DELIVERED"
    assert json.loads(other.told[0][1]) == json.loads(other.told[1][1])
    text_of(boss.get(f"{MESSAGES}?state__exact=DELIVERED&receiver__id__exact={receiver.pk}"))


def test_looking_is_not_changing(staff_with: Somebody, other: Other, secret: str, ada: User) -> None:
    finished_song(ada)
    receiver, message = Receiver.objects.get(), the_message()
    looker = staff_with("view_receiver", "view_message")
    assert "New secret" not in text_of(looker.get(f"{LIST}{receiver.pk}/change/"))
    for path in (
        f"{LIST}make/",
        f"{LIST}{receiver.pk}/rotate/",
        f"{LIST}{receiver.pk}/switch/",
        f"{MESSAGES}{message.pk}/resend/",
    ):
        assert looker.post(path).status_code == 403, path
    stranger = staff_with()
    assert stranger.get(LIST).status_code == 403
    for path in (f"{LIST}add/", f"{LIST}{receiver.pk}/delete/", f"{MESSAGES}add/"):
        assert looker.post(path, {"post": "yes"}).status_code == 403, path
    assert Receiver.objects.get().secret == secret
