"""One bounded question over HTTP, and why there was no answer in words for an operator."""

import socket
import ssl
import time
from dataclasses import dataclass

import httpx

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
ANSWER_SECONDS = 15.0
MAX_BYTES = 64 * 1024


class NoAnswer(Exception):
    """`why` goes into a sentence."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Answer:
    """`asked_at` is our own clock in the middle of the exchange."""

    status_code: int
    headers: httpx.Headers
    body: bytes
    asked_at: float

    def json(self) -> object:
        """None for what is no JSON."""
        try:
            document: object = httpx.Response(200, content=self.body).json()
        except (ValueError, RecursionError):
            return None
        return document


def ask(method: str, url: str) -> Answer:
    """Follows no redirect: fal follows none either.

    :raises NoAnswer: it can't be reached, or its answer doesn't come to an end.
    """
    began = time.time()
    give_up_at = time.monotonic() + ANSWER_SECONDS
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    try:
        with (
            httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False) as client,
            client.stream(method, url, headers={"Accept": "application/json"}) as response,
        ):
            answered = time.time()
            body = bytearray()
            for block in response.iter_bytes():
                body += block
                if len(body) > MAX_BYTES or time.monotonic() > give_up_at:
                    raise NoAnswer("its answer has no end")
            return Answer(response.status_code, response.headers, bytes(body), (began + answered) / 2)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NoAnswer(_why(error)) from None


def _why(error: BaseException) -> str:
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "its certificate is not trusted, or it speaks no TLS"
    if any(isinstance(cause, socket.gaierror) for cause in causes) or "Name or service" in str(error):
        return "its name leads nowhere"
    if isinstance(error, httpx.TimeoutException):
        return "it does not answer in time"
    return "the connection fails"


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
