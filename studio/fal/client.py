"""The real client: the fal-client SDK over a transport of ours, and each of its answers as one of our words."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, Final, cast

import fal_client
import fal_client.client as sdk_module
import httpx
from django.conf import settings

from studio.fal.answers import Answer, generation_failed, submit_error, unreachable
from studio.fal.errors import (
    Ambiguous,
    FalError,
    NotAccepted,
    NotFinished,
    NotFound,
    Said,
    Unreachable,
    UploadRefused,
)
from studio.fal.interface import CancelAnswer, FalClientInterface, LogLine, Result, Status, StatusWord, Submission
from studio.fal.transport import (
    AnsweredError,
    Exchange,
    FalUrls,
    Timeouts,
    Wire,
    WireError,
    check_base_url,
    check_key,
    redactor,
)

# The SDK sends more than this in parts, to whatever host an answer names; no track comes near it.
UPLOAD_MAX_BYTES: Final = sdk_module.MULTIPART_THRESHOLD
LOG_LINES_MAX: Final = 200

# What the SDK raises over an answer that it cannot read; nesting without end is a RecursionError.
_UNREADABLE: Final = (KeyError, TypeError, ValueError, RecursionError)

_ENDPOINT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class _TokenManager(sdk_module.CDNTokenManager):
    """The SDK's, asking through our transport instead of an HTTP client of its own."""

    def __init__(self, sdk: "_Sdk") -> None:
        super().__init__(sdk._auth)  # noqa: SLF001
        self._http = sdk._client  # noqa: SLF001

    def _refresh_token(self) -> sdk_module.CDNToken:
        data = self._http.post(self._url, headers=self._headers, json={}).json()
        return sdk_module.CDNToken(
            token=data["token"],
            token_type=data["token_type"],
            base_upload_url=data["base_url"],
            expires_at=datetime.fromisoformat(data["expires_at"]),
        )


class _Sdk(fal_client.SyncClient):
    """The SDK with its three ways to the network replaced. They are private names there, which is why it is pinned.

    One object serves one call, so that the call can look at its own answer; it holds no connections.
    """

    exchange: Exchange

    @classmethod
    def over(cls, exchange: Exchange, key: str) -> "_Sdk":
        sdk = cls(key=key)
        object.__setattr__(sdk, "exchange", exchange)
        return sdk

    @cached_property
    def _client(self) -> httpx.Client:
        return self._http_client(self._auth.header_value)

    @cached_property
    def _token_manager(self) -> _TokenManager:
        return _TokenManager(self)

    def _get_cdn_client(self) -> httpx.Client:
        token = self._token_manager.get_token()
        return self._http_client(f"{token.token_type} {token.token}")

    def _http_client(self, authorization: str) -> httpx.Client:
        headers = {"Authorization": authorization, "User-Agent": sdk_module.USER_AGENT}
        return httpx.Client(transport=self.exchange, headers=headers, trust_env=False, follow_redirects=False)


class FalClient(FalClientInterface):
    """Safe to share between threads. Raises ValueError for a key or an address that cannot be right.

    `allow_http` (embedded mode) lets the addresses be plain http, and then loopback only. `admin_key` is for the
    platform API alone; without one the key has to serve there too.
    """

    def __init__(
        self,
        key: str,
        urls: FalUrls,
        *,
        admin_key: str = "",
        allow_http: bool = False,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._key = check_key(key)
        self._admin_key = _check_admin_key(admin_key) if admin_key else key
        checked = FalUrls(
            *(check_base_url(url, allow_http=allow_http) for url in (urls.queue, urls.rest, urls.api, urls.cdn))
        )
        self._wire = Wire(checked, timeouts or Timeouts(), _redactor_of_both(key, self._admin_key))

    def __repr__(self) -> str:
        return f"FalClient({self._wire.urls.queue})"

    def submit(self, endpoint_id: str, arguments: Mapping[str, Any], *, webhook_url: str | None) -> Submission:
        sdk = self._open(endpoint_id)
        try:
            sdk.submit(endpoint_id, dict(arguments), webhook_url=webhook_url)
        except AnsweredError as error:
            raise submit_error(error.answer) from None
        except WireError as error:
            raise _lost(error) from None
        except _UNREADABLE:
            # The SDK insists on three URLs that we don't use. Without an answer, the fault is in the arguments.
            if sdk.exchange.answer is None:
                raise
        return _submission(sdk.exchange.answer)

    def status(self, endpoint_id: str, request_id: str, *, logs: bool = False) -> Status:
        answer = self._follow(endpoint_id, request_id, "status", logs=logs)
        if answer.status_code in {404, 410}:
            raise NotFound(said=answer.said())
        status = _status(answer.json) if answer.ok else None
        if status is None:
            raise unreachable(answer)
        return status

    def result(self, endpoint_id: str, request_id: str) -> Result:
        answer = self._follow(endpoint_id, request_id, "result")
        body = answer.json
        if answer.status_code == 202 or (not answer.ok and _says_in_progress(body)):
            raise NotFinished(said=answer.said())
        if not answer.ok:
            raise self._failure(endpoint_id, request_id, answer)
        if isinstance(body, dict):
            return Result(body, answer.billable_units)
        if body is None:
            raise unreachable(answer)
        raise generation_failed(answer.said(), body)

    def cancel(self, endpoint_id: str, request_id: str) -> CancelAnswer:
        answer = self._follow(endpoint_id, request_id, "cancel")
        body = answer.json
        word = body.get("status") if isinstance(body, dict) else None
        match answer.status_code, word:
            case 200, "OK":
                return CancelAnswer.CANCELLED
            case 400, "ALREADY_COMPLETED":
                return CancelAnswer.ALREADY_COMPLETED
            case ((404 | 410), _):
                return CancelAnswer.NOT_FOUND
            case code, _ if 200 <= code < 300:
                # Any other kind of yes is a wish only: the money waits for the outcome.
                return CancelAnswer.REQUESTED
        raise unreachable(answer)

    def upload(self, data: bytes, *, content_type: str, file_name: str) -> str:
        if len(data) > UPLOAD_MAX_BYTES:
            raise UploadRefused(
                "The audio file is too large to send to fal.ai.", hint="Use a shorter track.", whose="you"
            )
        sdk = self._open("upload/file")
        try:
            # Without a fallback: the SDK's older repository sends the key to a presigned host.
            url = sdk.upload(data, content_type, file_name, repository="fal_v3", fallback_repository=[])
        except AnsweredError as error:
            raise _upload_error(error.answer) from None
        except WireError as error:
            raise _out_of_reach(error) from None
        except _UNREADABLE:
            url = None
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise Unreachable("fal.ai's answer to the upload was not understood.")
        return url

    def read_api(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """One GET of fal's platform API, such as `/models/billing-events`, for admins' commands. Raises Unreachable.

        Numbers with a point come as Decimal, just as they were written: some of them are money.
        """
        sdk = _Sdk.over(Exchange(self._wire), self._admin_key)
        try:
            url = f"{self._wire.urls.api}/{path.lstrip('/')}"
            request = sdk._client.build_request("GET", url, params=dict(parameters))  # noqa: SLF001
            # Not by the client: its answers hold themselves in memory, and a bill has many long pages.
            body = sdk.exchange.handle_request(request).json(parse_float=Decimal)
        except AnsweredError as error:
            raise unreachable(error.answer) from None
        except WireError as error:
            raise _out_of_reach(error) from None
        except (*_UNREADABLE, ArithmeticError):
            body = None
        if not isinstance(body, dict):
            raise Unreachable("fal.ai's answer was not understood.")
        return body

    def _open(self, endpoint_id: str) -> _Sdk:
        if not _ENDPOINT_ID.fullmatch(endpoint_id):
            raise ValueError(f"Not an endpoint id: {endpoint_id!r}")
        return _Sdk.over(Exchange(self._wire), self._key)

    def _follow(self, endpoint_id: str, request_id: str, operation: str, *, logs: bool = False) -> Answer:
        """One call about a request, at the URL that the SDK builds; never at one that an answer named.

        Its own reading of the answers is left out: it polls before a result, and trips over absent keys.
        """
        if not _REQUEST_ID.fullmatch(request_id):
            raise NotFound
        sdk = self._open(endpoint_id)
        handle = sdk.get_handle(endpoint_id, request_id)
        try:
            match operation:
                case "status":
                    handle.client.get(handle.status_url, params={"logs": int(logs)})
                case "result":
                    handle.client.get(handle.response_url)
                case "cancel":
                    handle.client.put(handle.cancel_url)
        except AnsweredError as error:
            return error.answer
        except WireError as error:
            raise _out_of_reach(error) from None
        return cast("Answer", sdk.exchange.answer)

    def _failure(self, endpoint_id: str, request_id: str, answer: Answer) -> FalError:
        """Tell the model's failure, which the result replays with its code, from a fal that cannot answer.

        It is the model's only if the answer can be fal's own and the status says COMPLETED. A 5xx that carries no trace
        of a model needs the status to name an error as well: fal's own machinery, when it stumbles over a good result,
        answers just so, and a song that was billed is not given up for it.
        """
        if answer.status_code in {404, 410} and not answer.is_replay:
            return NotFound(said=answer.said())
        if not answer.is_from_fal:
            return unreachable(answer)
        status = self.status(endpoint_id, request_id)
        if status.status != "COMPLETED":
            return NotFinished(said=answer.said())
        said = answer.said()
        if answer.status_code >= 500 and not (answer.is_the_models or _is_named_by(status, said)):
            return unreachable(answer)
        if status.error_type == "client_cancelled":
            said = replace(said, error_type=status.error_type)
        return generation_failed(said, answer.json)


@cache
def from_settings(*, with_admin_key: bool = True) -> FalClient:
    """This process's client, as configured; without the admin's key, the platform API sees the one that makes songs."""
    urls = FalUrls(
        queue=settings.NEOAPEX_FAL_QUEUE_URL,
        rest=settings.NEOAPEX_FAL_REST_URL,
        api=settings.NEOAPEX_FAL_API_URL,
        cdn=settings.NEOAPEX_FAL_CDN_URL,
    )
    embedded = settings.NEOAPEX_ENV == "embedded"
    admin_key = settings.FAL_ADMIN_KEY if with_admin_key else ""
    return FalClient(settings.FAL_KEY, urls, admin_key=admin_key, allow_http=embedded)


def _check_admin_key(admin_key: str) -> str:
    try:
        return check_key(admin_key)
    except ValueError as error:
        raise ValueError(str(error).replace("FAL_KEY", "FAL_ADMIN_KEY")) from None


def _redactor_of_both(key: str, admin_key: str) -> Callable[[bytes], bytes]:
    first, second = redactor(key), redactor(admin_key)
    return lambda body: second(first(body))


def _submission(answer: Answer | None) -> Submission:
    body = answer.json if answer else None
    if answer is None or not isinstance(body, dict):
        raise Ambiguous(said=answer.said() if answer else Said())
    request_id, position = body.get("request_id"), body.get("queue_position")
    if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
        raise Ambiguous(said=answer.said())
    return Submission(request_id, _position(position))


def _position(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _status(body: object) -> Status | None:
    if not isinstance(body, dict) or body.get("status") not in {"IN_QUEUE", "IN_PROGRESS", "COMPLETED"}:
        return None
    logs = body.get("logs")
    return Status(
        cast("StatusWord", body["status"]),
        _position(body.get("queue_position")),
        [_log_line(line) for line in logs[-LOG_LINES_MAX:] if isinstance(line, dict)] if isinstance(logs, list) else [],
        _text(body.get("error")),
        _text(body.get("error_type")),
    )


def _is_named_by(status: Status, said: Said) -> bool:
    """Whether the status tells of this very failure: of one at all, and of no other kind.

    A request that was cancelled is known by its status alone.
    """
    named = bool(status.error or status.error_type)
    return named and status.error_type in {None, said.error_type, "client_cancelled"}


def _log_line(line: Mapping[str, object]) -> LogLine:
    return {"message": str(line.get("message", ""))[:1_000], "timestamp": str(line.get("timestamp", ""))[:40]}


def _text(value: object) -> str | None:
    return value[:1_000] if isinstance(value, str) and value else None


def _says_in_progress(body: object) -> bool:
    detail = body.get("detail") if isinstance(body, dict) else None
    return isinstance(detail, str) and "still in progress" in detail


def _lost(error: WireError) -> NotAccepted | Ambiguous:
    said = Said(raw=error.what)
    if error.written:
        return Ambiguous(said=said, provider_failed=True)
    return NotAccepted("fal.ai is out of reach.", said=said, provider_failed=True)


def _out_of_reach(error: WireError) -> Unreachable:
    return Unreachable(said=Said(raw=error.what), provider_failed=True)


def _upload_error(answer: Answer) -> UploadRefused | Unreachable:
    """An upload costs nothing and may be repeated, so only fal's clear no is final."""
    if answer.status_code in {400, 401, 402, 403, 404, 410, 413, 415, 422}:
        return UploadRefused(said=answer.said())
    return unreachable(answer)
