"""What every error must look like, wherever it comes from."""

from typing import Any, Protocol


class Answer(Protocol):
    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Any: ...
    def json(self) -> Any: ...


def assert_structured(answer: Answer, status: int | None = None, code: str | None = None) -> dict[str, Any]:
    """The error's body, once its shape has been looked at; `status` and `code` where they matter."""
    assert answer.status_code >= 400, answer.status_code
    assert answer.headers["Content-Type"].startswith("application/json"), answer.headers["Content-Type"]
    body: dict[str, Any] = answer.json()
    assert {"code", "message", "hint", "requestId"} <= body.keys(), body
    assert all(isinstance(body[name], str) and body[name] for name in ("code", "message", "hint", "requestId")), body
    assert body["requestId"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in str(body)
    if answer.status_code in {429, 503}:
        assert answer.headers["Retry-After"] == str(body["retry_after"])
    assert status in {None, answer.status_code}, (answer.status_code, body)
    assert code in {None, body["code"]}, body
    return body
