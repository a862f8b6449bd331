"""Deliveries changed at random, and an independent judge of which of them must be let in."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import InvalidSignature

from tests.webhooks.signing import ACCOUNT, HEADERS, Fal
from webhooks.limits import BODY_MAX_BYTES

PREFIX = "X-Fal-Webhook-"
ODD_TEXTS = (
    "", " ", "0", "-1", "\0", "\r\n", "null", "None", "true", "\u00e9", "\uff11", "\u0661", "\ud800", "\x7f", "%00",
    "a" * 101, "9" * 400, "'; DROP TABLE webhooks_delivery; --", "{{7*7}}", "../../etc/passwd", "0x00", "1e9",
    "sha256=", "," * 50,
)  # fmt: skip
ODD_BYTES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"{",
    b"}",
    b"[" * 3000,
    b'"',
    b"null",
    b"\xed\xa0\x80",
    b"\r\n\r\n",
    b"NaN",
    b" " * 999,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request as it is sent."""

    body: bytes
    headers: dict[str, str]
    method: str = "POST"
    content_type: str = "application/json"
    address: str = ""
    trail: tuple[str, ...] = field(default=())


Change = Callable[[random.Random, Attempt], Attempt]


def must_be_let_in(attempt: Attempt, fal: Fal, now: float) -> bool:
    """By the scheme's own words, without a line of the code that is judged."""
    values = [attempt.headers.get(PREFIX + name, "") for name in HEADERS]
    request_id, account, timestamp, signature = values
    if attempt.method.upper() != "POST" or len(attempt.body) > BODY_MAX_BYTES:
        return False
    if not all(value and all(" " <= character <= "~" for character in value) for value in values):
        return False
    if account != ACCOUNT or len(request_id) > 100 or len(timestamp) != 10 or not timestamp.isdigit():
        return False
    message = f"{request_id}\n{account}\n{timestamp}\n{hashlib.sha256(attempt.body).hexdigest()}".encode()
    try:
        if len(signature) != 128:
            return False
        fal.signing.public_key().verify(bytes.fromhex(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return abs(now - int(timestamp)) <= 300


def mutated(rng: random.Random, attempt: Attempt, fal: Fal, stranger: Fal) -> Attempt:
    """Changed once to four times; now and then it is signed anew after that, by fal or by somebody else."""
    for _ in range(rng.randint(1, 4)):
        name, change = rng.choice(CHANGES)
        attempt = change(rng, attempt)
        attempt = replace(attempt, trail=(*attempt.trail, name))
    roll = rng.random()
    if roll < 0.03:
        return _signed_anew(rng, attempt, fal, "signed by fal")
    return _signed_anew(rng, attempt, stranger, "signed by a stranger") if roll < 0.3 else attempt


def _signed_anew(rng: random.Random, attempt: Attempt, signer: Fal, name: str) -> Attempt:
    request_id = attempt.headers.get(PREFIX + "Request-Id", "")
    account = ACCOUNT if rng.random() < 0.8 else attempt.headers.get(PREFIX + "User-Id", "")
    age = rng.choice((0, 0, 0, 290, -290, 320, -320, 90_000))
    try:
        headers = signer.headers(attempt.body, request_id, account=account, age_seconds=age)
    except UnicodeEncodeError:
        return attempt
    return replace(attempt, headers=attempt.headers | headers, trail=(*attempt.trail, name))


# --- Changes ----------------------------------------------------------------------------------------------------------


def _header(rng: random.Random, attempt: Attempt, to: Callable[[str], str]) -> Attempt:
    name = PREFIX + rng.choice(HEADERS)
    return replace(attempt, headers=attempt.headers | {name: to(attempt.headers.get(name, ""))})


def _spot(rng: random.Random, size: int) -> int:
    return rng.randrange(size) if size else 0


def _one_character(rng: random.Random, text: str) -> str:
    at = _spot(rng, len(text))
    return text[:at] + chr(rng.choice((rng.randrange(32, 127), rng.randrange(256)))) + text[at + 1 :]


def header_bit(rng: random.Random, attempt: Attempt) -> Attempt:
    return _header(rng, attempt, lambda text: _one_character(rng, text))


def header_odd(rng: random.Random, attempt: Attempt) -> Attempt:
    return _header(rng, attempt, lambda _: rng.choice(ODD_TEXTS))


def header_grown(rng: random.Random, attempt: Attempt) -> Attempt:
    return _header(rng, attempt, lambda text: rng.choice((text + rng.choice(ODD_TEXTS), rng.choice(ODD_TEXTS) + text)))


def header_cut(rng: random.Random, attempt: Attempt) -> Attempt:
    return _header(rng, attempt, lambda text: text[_spot(rng, len(text)) :] if rng.random() < 0.5 else text[:-1])


def header_twice(rng: random.Random, attempt: Attempt) -> Attempt:
    return _header(rng, attempt, lambda text: f"{text},{text}")


def header_case(rng: random.Random, attempt: Attempt) -> Attempt:
    return _header(rng, attempt, lambda text: text.upper() if rng.random() < 0.5 else text.swapcase())


def header_gone(rng: random.Random, attempt: Attempt) -> Attempt:
    name = PREFIX + rng.choice(HEADERS)
    return replace(attempt, headers={key: value for key, value in attempt.headers.items() if key != name})


def headers_swapped(rng: random.Random, attempt: Attempt) -> Attempt:
    one, other = (PREFIX + name for name in rng.sample(HEADERS, 2))
    swapped = {one: attempt.headers.get(other, ""), other: attempt.headers.get(one, "")}
    return replace(attempt, headers=attempt.headers | swapped)


def time_moved(rng: random.Random, attempt: Attempt) -> Attempt:
    moved = str(1_000_000_000 + rng.randrange(10**9))
    return replace(attempt, headers=attempt.headers | {PREFIX + "Timestamp": moved})


def header_more(rng: random.Random, attempt: Attempt) -> Attempt:
    name = rng.choice((
        "X-Fal-Webhook-Scheme", "X-Fal-Webhook-Algorithm", "X-Hub-Signature-256", "Authorization", "Content-Encoding",
        "X-Forwarded-For", "X-Http-Method-Override", "Transfer-Encoding", "Expect", "Cookie", "X-Request-Id", "Host",
    ))  # fmt: skip
    plain = [text for text in ODD_TEXTS if text.isascii() and text.isprintable()]
    return replace(attempt, headers=attempt.headers | {name: rng.choice(plain)})


def body_byte(rng: random.Random, attempt: Attempt) -> Attempt:
    at = _spot(rng, len(attempt.body))
    return replace(attempt, body=attempt.body[:at] + bytes([rng.randrange(256)]) + attempt.body[at + 1 :])


def body_cut(rng: random.Random, attempt: Attempt) -> Attempt:
    at = _spot(rng, len(attempt.body))
    return replace(attempt, body=attempt.body[:at] if rng.random() < 0.5 else attempt.body[at:])


def body_odd(rng: random.Random, attempt: Attempt) -> Attempt:
    at, odd = _spot(rng, len(attempt.body)), rng.choice(ODD_BYTES)
    return replace(attempt, body=rng.choice((odd, attempt.body + odd, attempt.body[:at] + odd + attempt.body[at:])))


def body_twice(_rng: random.Random, attempt: Attempt) -> Attempt:
    return replace(attempt, body=(attempt.body * 2)[:20_000])


def body_word(rng: random.Random, attempt: Attempt) -> Attempt:
    words = (b"OK", b"ERROR", b"null", b"request_id", b"payload", b"status", b"url", b"true", b"-1")
    return replace(attempt, body=attempt.body.replace(rng.choice(words), rng.choice(words)))


def body_large(rng: random.Random, attempt: Attempt) -> Attempt:
    if rng.random() < 0.97:
        return body_byte(rng, attempt)
    return replace(attempt, body=attempt.body + b" " * (BODY_MAX_BYTES - len(attempt.body) + rng.choice((-1, 0, 1))))


def method_other(rng: random.Random, attempt: Attempt) -> Attempt:
    return replace(attempt, method=rng.choice(("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW", "post")))


def content_type_other(rng: random.Random, attempt: Attempt) -> Attempt:
    other = (
        "", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
        "a/b; charset=nonsense", "application/json; charset=utf-16",
    )  # fmt: skip
    return replace(attempt, content_type=rng.choice(other))


def address_other(rng: random.Random, attempt: Attempt) -> Attempt:
    return replace(attempt, address=f"{rng.getrandbits(128):032x}"[:32])


_CHANGES: tuple[Change, ...] = (
    header_bit, header_bit, header_odd, header_grown, header_cut, header_twice, header_case, header_gone,
    headers_swapped, time_moved, header_more, body_byte, body_byte, body_cut, body_odd, body_twice, body_word,
    body_large, method_other, content_type_other, address_other,
)  # fmt: skip
CHANGES: tuple[tuple[str, Any], ...] = tuple((change.__name__, change) for change in _CHANGES)
