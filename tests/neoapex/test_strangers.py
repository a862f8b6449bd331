"""How often an address may call without being anybody, and who is held up by that."""

from typing import Any

import pytest
from django.test import Client
from limits import parse
from pytest_django import Settings

from ledger.queries import balance
from studio.fal import breaker
from studio.fal.errors import AccountLocked
from studio.models import Generation, User
from tests.neoapex.addresses import SOME_ID
from tests.neoapex.shapes import assert_structured
from tests.neoapex.streams import assert_refused, listening, run

JSON = {"Accept": "application/json"}


@pytest.fixture(autouse=True)
def two_a_minute(settings: Settings) -> None:
    settings.NEOAPEX_ADDRESS_RATE = parse("2/minute")


def use_up(client: Client, **more: Any) -> None:
    for _ in range(2):
        assert client.get("/api/tags", **more).status_code == 401


def assert_held_up(answer: Any) -> None:
    body = assert_structured(answer, 429, "address_rate_reached")
    assert 1 <= body["retry_after"] <= 60
    assert answer.headers["Retry-After"] == str(body["retry_after"])


@pytest.mark.parametrize("path", ["/api/tags", "/credits/balance", "/accounts/login/", "/", "/nope", "/admin/login/"])
def test_a_stranger_who_calls_too_often_is_told_when_to_come_again(stranger: Client, db: None, path: str) -> None:
    for _ in range(2):
        assert stranger.get(path, headers=JSON).status_code != 429
    assert_held_up(stranger.get(path, headers=JSON))


def test_the_description_says_so_of_each_call_and_of_what_is_told(stranger: Client, db: None) -> None:
    schema = stranger.get("/api/openapi.json").json()
    assert stranger.get("/api/tags").status_code == 401
    told = stranger.get("/api/tags", headers=JSON).json()
    shape = schema["components"]["schemas"]["ErrorOut"]["properties"]
    assert told.keys() <= shape.keys()
    for path, methods in schema["paths"].items():
        for call in methods.values():
            content = call["responses"]["429"]["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/ErrorOut"), path


def test_in_a_browser_it_is_a_page(stranger: Client, db: None) -> None:
    use_up(stranger)
    answer = stranger.get("/accounts/login/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 429
    assert "too many calls from your address" in answer.content.decode()
    assert answer.headers["Content-Security-Policy"]


def test_tokens_that_are_none_count_too(stranger: Client, db: None) -> None:
    use_up(stranger, headers={"Authorization": "Bearer nxa_made_up"})
    assert_held_up(stranger.get("/api/tags", headers={"Authorization": "Bearer nxa_made_up"}))
    assert_held_up(stranger.get("/accounts/login/", headers={"Authorization": "Bearer nxa_made_up", **JSON}))


def test_whoever_is_somebody_is_not_held_up_by_strangers_at_the_same_address(
    stranger: Client, program: Client, browser: Client
) -> None:
    use_up(stranger)
    for _ in range(4):
        assert program.get("/api/tags").status_code == 200
        assert browser.get("/").status_code == 200
    assert_held_up(stranger.get("/api/tags"))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_checks_are_never_held_up(stranger: Client, db: None, path: str) -> None:
    use_up(stranger)
    for _ in range(4):
        assert stranger.get(path).status_code == 200


def test_fals_callbacks_are_never_held_up(stranger: Client, db: None) -> None:
    use_up(stranger)
    for _ in range(4):
        answer = stranger.post(f"/webhooks/fal/{SOME_ID}/", b"{}", content_type="application/json")
        assert answer.status_code == 403


def test_it_is_off_where_it_is_set_so(stranger: Client, db: None, settings: Settings) -> None:
    settings.NEOAPEX_ADDRESS_RATE = None
    for _ in range(5):
        assert stranger.get("/api/tags").status_code == 401


def test_behind_a_proxy_it_is_the_callers_own_address(stranger: Client, db: None, settings: Settings) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    use_up(stranger, headers={"X-Forwarded-For": "198.51.100.1"})
    assert_held_up(stranger.get("/api/tags", headers={"X-Forwarded-For": "198.51.100.1"}))
    assert stranger.get("/api/tags", headers={"X-Forwarded-For": "198.51.100.2"}).status_code == 401
    # What a caller writes there itself stands further left than what the proxy adds.
    assert_held_up(stranger.get("/api/tags", headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}))


def test_without_a_proxy_nobody_may_choose_an_address(stranger: Client, db: None) -> None:
    use_up(stranger, headers={"X-Forwarded-For": "198.51.100.1"})
    assert_held_up(stranger.get("/api/tags", headers={"X-Forwarded-For": "198.51.100.2"}))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("hub")
def test_a_stranger_at_the_event_stream_counts_too(adas: dict[str, str]) -> None:
    async def scenario() -> None:
        for status, code in ((401, "unauthenticated"), (401, "unauthenticated"), (429, "address_rate_reached")):
            async with listening(headers={"Authorization": "Bearer nobody"}) as stranger:
                assert_refused(stranger, status, code)
        async with listening(headers=adas) as ada_hears:
            assert ada_hears.status == 200

    run(scenario)


def test_the_rate_of_a_person_is_told_with_a_time(program: Client, settings: Settings) -> None:
    settings.NEOAPEX_USER_RATE = parse("1/minute")
    assert program.post("/api/generations", '{"prompt": "rain"}', content_type="application/json").status_code == 201
    answer = program.post("/api/generations", '{"prompt": "rain"}', content_type="application/json")
    body = assert_structured(answer, 429, "user_rate_reached")
    assert 1 <= body["retry_after"] <= 60


def test_while_fal_is_out_of_reach_a_program_is_told_so_and_is_not_charged(program: Client, ada: User) -> None:
    breaker.note(AccountLocked(provider_failed=True))
    answer = program.post("/api/generations", '{"prompt": "rain"}', content_type="application/json")
    body = assert_structured(answer, 503, "fal_unavailable")
    assert 1 <= body["retry_after"] <= 60
    assert not Generation.objects.exists()
    assert balance(ada).held_micros == 0
    quoted = program.post("/api/quotes", '{"prompt": "rain"}', content_type="application/json").json()
    assert [reason["code"] for reason in quoted["reasons"]] == ["fal_unavailable"]
    assert quoted["cost"] == "0.0750"
