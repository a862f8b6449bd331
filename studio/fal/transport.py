"""The wire to fal: where the SDK's requests really go, with the key or not at all, once, in bounded time and size."""

import ipaddress
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import fal_client.client as sdk_module
import httpx

from studio.fal.answers import Answer

ANSWER_MAX_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FalUrls:
    """fal's four base addresses, each without a slash at its end."""

    queue: str
    rest: str
    api: str
    cdn: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: to connect, between two pieces received, between two pieces sent, for the body of an answer."""

    connect: float = 5.0
    read: float = 30.0
    write: float = 30.0
    answer: float = 60.0

    def as_extension(self) -> dict[str, float]:
        return {"connect": self.connect, "read": self.read, "write": self.write, "pool": self.connect}


class WireError(Exception):
    """No usable answer. `written` is false where not one byte of the request can have left: it may be sent again.

    Deliberately no httpx exception: those the SDK's own loop would answer by sending the request again.
    """

    def __init__(self, what: str, *, written: bool) -> None:
        self.what = what
        self.written = written
        super().__init__(what)


class AnsweredError(Exception):
    """An answer other than 2xx; no httpx exception either, for the same reason."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(f"fal answered {answer.status_code}")


def check_base_url(url: str, *, allow_http: bool) -> str:
    """The base address without a slash at its end. Raises ValueError; http is for loopback, where it is allowed."""
    parsed = httpx.URL(url)
    if parsed.scheme not in {"https", "http"} or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError(f"Not a base address of fal: {parsed.copy_with(username=None, password=None)}")
    if parsed.scheme == "http" and not (allow_http and _is_loopback(parsed.host)):
        raise ValueError(f"fal's addresses must be https, and {url} is not.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_key(key: str) -> str:
    """Raises ValueError, without the key in it: an HTTP library's own complaint would print it."""
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ValueError("FAL_KEY is empty or contains characters that no key has, such as spaces or line breaks.")
    return key


def redactor(key: str) -> Callable[[bytes], bytes]:
    """Takes the key, and its secret half alone, out of an answer that echoes them, before anybody reads it."""
    secrets = [secret.encode() for secret in (key, *(part for part in key.split(":")[1:] if len(part) >= 8))]

    def redact(body: bytes) -> bytes:
        for secret in secrets:
            body = body.replace(secret, b"[key]")
        return body

    return redact


@cache
def _tls() -> ssl.SSLContext:
    """Reading the root certificates takes longer than a request; once a process is enough."""
    return httpx.create_ssl_context(trust_env=False)


@dataclass(frozen=True)
class Wire:
    """One process's way to fal, shared by all threads.

    No connection is kept for a second request: one that fal has closed meanwhile fails only after the request was
    written, and a submit would be ambiguous for nothing. A new handshake costs little beside minutes of generation.
    """

    urls: FalUrls
    timeouts: Timeouts
    redact: Callable[[bytes], bytes] = field(repr=False)
    pool: httpx.BaseTransport = field(
        repr=False,
        default_factory=lambda: httpx.HTTPTransport(
            verify=_tls(),
            trust_env=False,
            retries=0,
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=0),
        ),
    )

    def route(self, url: httpx.URL) -> httpx.URL:
        """The configured address for one of the SDK's, which knows only fal's own and keeps them in module globals.

        What lies at no configured origin is refused: that is what keeps the key from hosts that an answer names.
        """
        text = str(url)
        for sdk_base, base in self._bases():
            if text.startswith(sdk_base + "/"):
                return httpx.URL(base + text.removeprefix(sdk_base))
        if _origin(url) in {_origin(httpx.URL(base)) for _, base in self._bases()}:
            return url
        raise WireError(f"{url.host} is no address of fal's that is configured", written=False)

    def _bases(self) -> list[tuple[str, str]]:
        return [
            (sdk_module.QUEUE_URL_FORMAT.rstrip("/"), self.urls.queue),
            (sdk_module.REST_URL, self.urls.rest),
            (sdk_module.CDN_URL, self.urls.cdn),
            (self.urls.api, self.urls.api),
        ]


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


class Exchange(httpx.BaseTransport):
    """The transport of one call; `answer` is the last one, with the headers that the SDK keeps to itself."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.answer: Answer | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send once. Raises AnsweredError for anything but 2xx, and WireError."""
        trace = _WriteTrace()
        routed = self._routed(request, trace)
        deadline = time.monotonic() + self._wire.timeouts.answer
        try:
            response = self._wire.pool.handle_request(routed)
            try:
                self.answer = self._read(response, deadline)
            finally:
                response.close()
        except (httpx.HTTPError, OSError) as error:
            # The text of the library's error may quote what was sent, so only its kind goes on.
            raise WireError(type(error).__name__, written=trace.written) from None
        if not self.answer.ok:
            raise AnsweredError(self.answer)
        return httpx.Response(self.answer.status_code, headers=dict(self.answer.headers), content=self.answer.body)

    def _routed(self, request: httpx.Request, trace: "_WriteTrace") -> httpx.Request:
        url = self._wire.route(request.url)
        headers = request.headers.copy()
        headers["Host"] = url.netloc.decode("ascii")
        # A compressed answer could outgrow its limit after it was counted.
        headers["Accept-Encoding"] = "identity"
        extensions = {"timeout": self._wire.timeouts.as_extension(), "trace": trace}
        return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=extensions)

    def _read(self, response: httpx.Response, deadline: float) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if headers.get("content-encoding", "identity") != "identity":
            raise WireError("an answer in an encoding that was not asked for", written=True)
        body = bytearray()
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > ANSWER_MAX_BYTES:
                raise WireError("an answer without end", written=True)
            if time.monotonic() > deadline:
                raise WireError("an answer too slow to wait for", written=True)
        _drop_transfer_headers(headers)
        return Answer(response.status_code, headers, self._wire.redact(bytes(body)))


def _drop_transfer_headers(headers: dict[str, str]) -> None:
    for name in ("transfer-encoding", "content-encoding", "content-length", "connection"):
        headers.pop(name, None)


class _WriteTrace:
    """httpcore's trace hook; learns whether the writing of the request has begun."""

    def __init__(self) -> None:
        self.written = False

    def __call__(self, event: str, _: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.written = True
