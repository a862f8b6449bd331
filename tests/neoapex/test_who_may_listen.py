"""Who may listen to the event stream, and what the others are told."""

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import OperationalError

from neoapex import events
from neoapex.sessions import SessionStore
from studio import people, tokens
from studio.models import User
from studio.states import Scope
from tests.neoapex.streams import assert_refused, in_thread, listening, run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("hub")]


def test_a_token_opens_a_stream(adas: dict[str, str]) -> None:
    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            assert listener.status == 200
            assert listener.answered["Content-Type"] == "text/event-stream; charset=utf-8"
            assert listener.answered["Cache-Control"] == "no-store"
            assert len(listener.answered["X-Request-Id"]) == 32
            assert listener.text.startswith("retry: 2000\n")

    run(scenario)


def test_a_session_opens_a_stream(ada: User) -> None:
    session = SessionStore()
    session[SESSION_KEY] = str(ada.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = ada.get_session_auth_hash()
    session.create()

    async def scenario() -> None:
        async with listening(headers={"Cookie": f"neoapex_session={session.session_key}"}) as listener:
            assert listener.status == 200

    run(scenario)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer nxa_\xff"}, {"Cookie": "neoapex_session=x"},
     {"Cookie": 'neoapex_session="\\000aaaaaaaaaaaaaaaa"'}, {"Cookie": "\xff=\xff"}],
    ids=repr,
)  # fmt: skip
def test_a_stranger_hears_nothing(headers: dict[str, str]) -> None:
    async def scenario() -> None:
        async with listening(headers=headers) as listener:
            assert_refused(listener, 401, "unauthenticated")
            assert listener.answered["Www-Authenticate"] == "Bearer"

    run(scenario)


def test_a_deactivated_person_hears_nothing(ada: User, adas: dict[str, str]) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)

    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            assert_refused(listener, 401, "unauthenticated")

    run(scenario)


def test_a_stream_that_is_open_ends_when_its_person_is_deactivated(ada: User, ben: User, adas: dict[str, str]) -> None:
    boss = User.objects.create_superuser("boss@example.com")
    bens = {"Authorization": f"Bearer {tokens.create(ben, 'x')[1]}"}

    async def scenario() -> None:
        async with listening(headers=adas) as gone, listening(headers=bens) as other:
            await in_thread(people.deactivate)(ada, author=boss, reason="left")
            await gone.until_ended()
            assert gone.text.endswith("event: bye\ndata: {}\n\n")
            async with listening(headers=adas) as again:
                assert_refused(again, 401, "unauthenticated")
            assert not other.ended

    run(scenario)


def test_a_token_that_may_not_read_hears_nothing(ada: User) -> None:
    raw = tokens.create(ada, "x", [Scope.SONGS])[1]

    async def scenario() -> None:
        async with listening(headers={"Authorization": f"Bearer {raw}"}) as listener:
            assert_refused(listener, 403, "scope_missing")

    run(scenario)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS"])
def test_a_stream_is_read_only(adas: dict[str, str], method: str) -> None:
    async def scenario() -> None:
        async with listening(headers=adas, method=method) as listener:
            assert listener.answered["Allow"] == "GET"
            assert_refused(listener, 405, "method_not_allowed")

    run(scenario)


def test_a_foreign_host_gets_no_stream(adas: dict[str, str]) -> None:
    async def scenario() -> None:
        async with listening(headers=adas, host="evil.example") as listener:
            assert_refused(listener, 400, "bad_request")

    run(scenario)


def test_at_most_twenty_streams_a_person_and_a_place_is_free_again(
    adas: dict[str, str], hub: events.Hub, ada: User
) -> None:
    async def scenario() -> None:
        queues = [hub.join(ada.pk) for _ in range(events.STREAMS_PER_PERSON)]
        async with listening(headers=adas) as refused:
            assert_refused(refused, 429, "too_many_streams")
        hub.leave(ada.pk, queues[0])
        async with listening(headers=adas) as listener:
            assert listener.status == 200
        for queue in queues[1:]:
            hub.leave(ada.pk, queue)

    run(scenario)


def test_without_a_database_the_stream_is_refused_for_now(
    adas: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(tokens, "person_of", away)

    async def scenario() -> None:
        async with listening(headers=adas) as listener:
            assert_refused(listener, 503, "not_ready")

    run(scenario)
