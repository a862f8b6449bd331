"""The admin key goes to the platform API alone, and shows nowhere."""

import logging
import traceback
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from neoapex.logs import redact
from studio.fal.client import FalClient, from_settings
from studio.fal.errors import FalError, Unreachable
from studio.fal.transport import FalUrls
from tests.fal.conftest import ENDPOINT, KEY
from tests.fal.server import REQUEST_ID, FalServer

ADMIN_KEY = "22222222-admin-id:fedcba9876543210-hidden"
HIDDEN = ADMIN_KEY.split(":")[1]


@pytest.fixture
def admin(server: FalServer) -> FalClient:
    urls = FalUrls(server.url, server.url, f"{server.url}/v1", server.url)
    return FalClient(KEY, urls, admin_key=ADMIN_KEY, allow_http=True)


def test_the_bill_is_read_with_it_and_songs_are_asked_for_without(server: FalServer, admin: FalClient) -> None:
    server.answers(200, {"request_id": REQUEST_ID})
    admin.read_api("models/billing-events", {})
    admin.submit(ENDPOINT, {}, webhook_url=None)
    admin.cancel(ENDPOINT, REQUEST_ID)
    keys = [seen.headers["authorization"] for seen in server.seen]
    assert keys == [f"Key {ADMIN_KEY}", f"Key {KEY}", f"Key {KEY}"]


def test_without_one_the_key_serves_there_too(server: FalServer, client: FalClient) -> None:
    server.answers(200, {})
    client.read_api("models/billing-events", {})
    assert server.seen[0].headers["authorization"] == f"Key {KEY}"


@pytest.mark.parametrize("code", [200, 401, 403, 500])
def test_it_shows_in_no_log_text_or_traceback(
    server: FalServer, admin: FalClient, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    server.answers(code, {"detail": f"{ADMIN_KEY} {KEY} {HIDDEN}"})
    texts = [repr(admin), repr(admin._wire)]
    with caplog.at_level(logging.DEBUG):
        try:
            texts.append(repr(admin.read_api("models/billing-events", {"start": "2026-11-01"})))
        except FalError as error:
            texts += [*traceback.format_exception(error), error.raw, repr(error.said)]
    everything = "\n".join([*texts, caplog.text])
    assert "[key]" in everything
    assert HIDDEN not in everything
    assert KEY.split(":")[1] not in everything


def test_a_log_line_that_quotes_it_is_redacted() -> None:
    assert HIDDEN not in redact(f'{{"message": "sent Authorization: Key {ADMIN_KEY}"}}')


@pytest.mark.parametrize("key", ["id:hidden key", "id:hidden\n", "\x00"])
def test_one_that_cannot_be_is_refused_by_its_name_and_not_printed(key: str) -> None:
    urls = FalUrls(*(["https://fal.example"] * 4))
    with pytest.raises(ValueError, match=r"^FAL_ADMIN_KEY ") as caught:
        FalClient(KEY, urls, admin_key=key)
    assert "hidden" not in str(caught.value)


@pytest.fixture
def configured(settings: Settings, server: FalServer) -> Iterator[Settings]:
    from_settings.cache_clear()
    settings.FAL_KEY, settings.NEOAPEX_ENV = KEY, "embedded"
    for name in ("QUEUE", "REST", "CDN", "API"):
        setattr(settings, f"NEOAPEX_FAL_{name}_URL", server.url)
    yield settings
    from_settings.cache_clear()


@pytest.mark.parametrize(("given", "used"), [(ADMIN_KEY, ADMIN_KEY), ("", KEY)])
def test_the_settings_name_it(configured: Settings, server: FalServer, given: str, used: str) -> None:
    configured.FAL_ADMIN_KEY = given
    server.answers(403, {"detail": "no"})
    with pytest.raises(Unreachable):
        from_settings().read_api("models/billing-events", {})
    assert server.seen[0].headers["authorization"] == f"Key {used}"
