"""Where the key goes, and where it never shows."""

import logging
import traceback
from typing import Any

import httpx
import pytest
from pytest_django import Settings

from studio.fal.client import FalClient, from_settings
from studio.fal.errors import FalError, Unreachable
from studio.fal.transport import Exchange, FalUrls, Timeouts, Wire, WireError, check_base_url, redactor
from tests.fal.conftest import ENDPOINT, KEY
from tests.fal.server import REQUEST_ID, FalServer

SECRET = KEY.split(":")[1]
LIVE = FalUrls("https://queue.fal.run", "https://rest.fal.ai", "https://api.fal.ai/v1", "https://v3.fal.media")


class Recorder(httpx.BaseTransport):
    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))


def wire(urls: FalUrls = LIVE) -> tuple[Wire, Recorder]:
    recorder = Recorder()
    return Wire(urls, Timeouts(), bytes, recorder), recorder


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (
            "https://queue.fal.run/sonauto/v2/x?fal_webhook=https%3A%2F%2Fa%2Fb",
            "http://127.0.0.1:7001/sonauto/v2/x?fal_webhook=https%3A%2F%2Fa%2Fb",
        ),
        (
            "https://rest.fal.ai/storage/auth/token?storage_type=x",
            "http://127.0.0.1:7002/rest/storage/auth/token?storage_type=x",
        ),
        ("https://v3.fal.media/files/upload", "http://127.0.0.1:7003/files/upload"),
        ("http://127.0.0.1:7004/v1/models", "http://127.0.0.1:7004/v1/models"),
    ],
)
def test_the_sdks_addresses_lead_to_the_configured_ones(asked: str, sent: str) -> None:
    urls = FalUrls(*(f"http://127.0.0.1:{port}" for port in ("7001", "7002/rest", "7004/v1", "7003")))
    assert str(wire(urls)[0].route(httpx.URL(asked))) == sent


@pytest.mark.parametrize(
    "url",
    [
        "https://storage.googleapis.com/bucket/x",
        "https://queue.fal.run.evil.example/x",
        "https://queue.fal.run@evil.example/x",
        "http://queue.fal.run/x",
        "https://queue.fal.run:8443/x",
        "https://QUEUE.fal.run.:443/x",
        "https://fal.run/x",
        "https://v3b.fal.media/files/upload",
        "https://127.0.0.1/x",
    ],
)
def test_an_origin_that_is_not_configured_gets_neither_key_nor_request(url: str) -> None:
    one, recorder = wire()
    http = httpx.Client(transport=Exchange(one), headers={"Authorization": f"Key {KEY}"})
    with http, pytest.raises(WireError, match="configured") as caught:
        http.get(url)
    assert recorder.requests == []
    assert not caught.value.written


@pytest.mark.parametrize(
    "url",
    ["https://queue.fal.run/a", "https://QUEUE.FAL.RUN:443/a", "https://api.fal.ai/v1/a", "https://v3.fal.media/a"],
)
def test_a_configured_origin_gets_the_key(url: str) -> None:
    one, recorder = wire()
    with httpx.Client(transport=Exchange(one), headers={"Authorization": f"Key {KEY}"}) as http:
        http.get(url)
    [request] = recorder.requests
    assert request.headers["authorization"] == f"Key {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.extensions["timeout"] == {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 5.0}


@pytest.mark.parametrize(
    "url",
    [
        "http://queue.fal.run",
        "http://10.0.0.1",
        "http://localhost.example",
        "ftp://127.0.0.1",
        "https://",
        "queue.fal.run",
        "https://user:pass@queue.fal.run",
        "https://queue.fal.run?x=1",
        "https://queue.fal.run#x",
    ],
)
@pytest.mark.parametrize("allow_http", [True, False])
def test_a_base_address_is_https_and_plain(url: str, allow_http: bool) -> None:
    with pytest.raises(ValueError, match=r"address|https") as caught:
        check_base_url(url, allow_http=allow_http)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000", "http://127.8.8.8"]
)
def test_plain_http_is_for_loopback_in_embedded_mode_only(url: str) -> None:
    assert check_base_url(f"{url}/", allow_http=True) == url
    with pytest.raises(ValueError, match="https"):
        check_base_url(url, allow_http=False)


@pytest.mark.parametrize("key", ["", "id:sec ret", "id:secret\n", "id:sécret", "\x00"])
def test_a_key_that_cannot_be_one_is_refused_without_being_printed(key: str) -> None:
    with pytest.raises(ValueError, match="FAL_KEY") as caught:
        FalClient(key, LIVE)
    assert "sec" not in str(caught.value)


def test_a_key_is_taken_out_of_texts_whole_and_by_its_secret_half() -> None:
    assert redactor(KEY)(f"a {KEY} b {SECRET} c".encode()) == b"a [key] b [key] c"
    assert redactor("id:abc")(b"abc abcd id:abc") == b"abc abcd [key]"


@pytest.mark.parametrize("code", [200, 401, 422, 429, 500, 503])
def test_the_key_shows_in_no_log_text_or_traceback(
    server: FalServer, client: FalClient, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    server.answers(code, {"detail": f"{KEY}", "request_id": REQUEST_ID})
    texts: list[str] = [repr(client), repr(client._wire)]
    with caplog.at_level(logging.DEBUG):
        for call in (
            lambda: client.submit(ENDPOINT, {}, webhook_url="https://a/b"),
            lambda: client.result(ENDPOINT, REQUEST_ID),
        ):
            try:
                texts.append(repr(call()))
            except FalError as error:
                texts += [*traceback.format_exception(error), error.raw, repr(error.said)]
    assert server.seen
    assert caplog.records
    assert SECRET not in "\n".join([*texts, caplog.text])


def test_the_environments_proxies_and_keys_are_not_used(
    server: FalServer, client: FalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("FAL_KEY", "another:key")
    monkeypatch.setenv("FAL_FORCE_AUTH_BY_USER", "1")
    server.answers(200, {"request_id": REQUEST_ID})
    client.submit(ENDPOINT, {}, webhook_url=None)
    assert server.seen[0].headers["authorization"] == f"Key {KEY}"


def test_two_clients_keep_to_their_own_fal(server: FalServer, client: FalClient) -> None:
    other_server = FalServer()
    other_server.start()
    try:
        urls = FalUrls(*([other_server.url] * 4))
        other = FalClient("other:key", urls, allow_http=True)
        for one in (server, other_server):
            one.answers(200, {"request_id": REQUEST_ID})
        for asking in (client, other, client):
            asking.submit(ENDPOINT, {}, webhook_url=None)
        assert [seen.headers["authorization"] for seen in server.seen] == [f"Key {KEY}"] * 2
        assert [seen.headers["authorization"] for seen in other_server.seen] == ["Key other:key"]
    finally:
        other_server.stop()


@pytest.fixture
def configured(settings: Settings, server: FalServer) -> Any:
    from_settings.cache_clear()
    settings.FAL_KEY, settings.NEOAPEX_ENV = KEY, "embedded"
    for name in ("QUEUE", "REST", "CDN", "API"):
        setattr(settings, f"NEOAPEX_FAL_{name}_URL", server.url)
    yield settings
    from_settings.cache_clear()


def test_the_configured_client_is_made_once(configured: Any, server: FalServer) -> None:
    server.answers(200, {"request_id": REQUEST_ID})
    assert from_settings() is from_settings()
    assert from_settings().submit(ENDPOINT, {}, webhook_url=None).request_id == REQUEST_ID


def test_production_refuses_plain_http(configured: Any) -> None:
    configured.NEOAPEX_ENV = "production"
    with pytest.raises(ValueError, match="https"):
        from_settings()


def test_the_platform_api_is_read_with_the_key(server: FalServer, client: FalClient) -> None:
    server.answers(200, {"prices": []})
    assert client.read_api("/models/pricing", {"endpoint_id": ENDPOINT}) == {"prices": []}
    assert server.seen[0].path == "/v1/models/pricing?endpoint_id=sonauto%2Fv2%2Ftext-to-music"
    assert server.seen[0].headers["authorization"] == f"Key {KEY}"


@pytest.mark.parametrize(("code", "body"), [(500, b""), (403, {"detail": "ADMIN key"}), (200, []), (200, b"<html>")])
def test_a_platform_api_that_cannot_answer_is_unreachable(
    server: FalServer, client: FalClient, code: int, body: Any
) -> None:
    server.answers(code, body)
    with pytest.raises(Unreachable):
        client.read_api("models/pricing", {})
