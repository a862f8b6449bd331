from typing import Any

import pytest

from studio.fal import client as client_module
from studio.fal.client import FalClient
from studio.fal.errors import Unreachable, UploadRefused
from tests.fal.conftest import KEY
from tests.fal.server import FalServer

TOKEN = {
    "token": "cdn-token",
    "token_type": "Bearer",
    "base_url": "https://presigned.example",
    "expires_at": "2099-01-01T00:00:00+00:00",
}
STORED = {"access_url": "https://v3.fal.media/files/x/a.wav"}


def upload(client: FalClient, data: bytes = b"RIFF") -> str:
    return client.upload(data, content_type="audio/wav", file_name="a.wav")


def test_a_file_goes_up_with_a_token_and_not_with_the_key(server: FalServer, client: FalClient) -> None:
    server.answers(200, TOKEN).answers(200, STORED)
    assert upload(client) == "https://v3.fal.media/files/x/a.wav"
    token, stored = server.seen
    assert (token.method, token.path) == ("POST", "/storage/auth/token?storage_type=fal-cdn-v3")
    assert token.headers["authorization"] == f"Key {KEY}"
    assert (stored.method, stored.path, stored.body) == ("POST", "/files/upload", b"RIFF")
    assert stored.headers["authorization"] == "Bearer cdn-token"
    assert (stored.headers["content-type"], stored.headers["x-fal-file-name"]) == ("audio/wav", "a.wav")


@pytest.mark.parametrize("code", [400, 401, 403, 413, 422])
def test_a_clear_no_is_final_and_has_no_fallback(server: FalServer, client: FalClient, code: int) -> None:
    server.answers(200, TOKEN).answers(code, {"detail": "no"})
    with pytest.raises(UploadRefused):
        upload(client)
    assert [seen.path for seen in server.seen] == ["/storage/auth/token?storage_type=fal-cdn-v3", "/files/upload"]


@pytest.mark.parametrize(("code", "body"), [(429, b""), (500, b""), (503, b"nginx"), (408, b"")])
def test_anything_else_may_be_tried_again_later(server: FalServer, client: FalClient, code: int, body: bytes) -> None:
    server.answers(200, TOKEN).answers(code, body)
    with pytest.raises(Unreachable):
        upload(client)
    assert len(server.seen) == 2


@pytest.mark.parametrize("token", [{}, [], b"<html>", TOKEN | {"expires_at": "soon"}, TOKEN | {"expires_at": 7}])
def test_a_token_that_is_none_is_unreachable(server: FalServer, client: FalClient, token: Any) -> None:
    server.answers(200, token)
    with pytest.raises(Unreachable):
        upload(client)


@pytest.mark.parametrize("stored", [{}, [], {"access_url": 7}, {"access_url": "javascript:alert(1)"}])
def test_an_address_that_is_none_is_unreachable(server: FalServer, client: FalClient, stored: Any) -> None:
    server.answers(200, TOKEN).answers(200, stored)
    with pytest.raises(Unreachable):
        upload(client)


def test_a_file_that_the_sdk_would_send_in_parts_is_refused_before_the_wire(
    server: FalServer, client: FalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "UPLOAD_MAX_BYTES", 10)
    server.answers(200, TOKEN).answers(200, STORED)
    with pytest.raises(UploadRefused) as caught:
        upload(client, b"12345678901")
    assert caught.value.whose == "you"
    assert server.seen == []
    assert upload(client, b"1234567890")
