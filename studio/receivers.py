"""Telling the organisation's own systems: signed as Standard Webhooks has it, again and again for days, never twice
at a time to one of them."""

import base64
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import httpcore
from django.conf import settings
from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Now
from django.utils import timezone
from standardwebhooks import Webhook
from tenacity import RetryCallState, Retrying, wait_exponential, wait_random

from studio import doorbell
from studio.errors import InvalidInput, Problem
from studio.fal.resilience import parse_retry_after
from studio.media import addresses
from studio.media.errors import HostRefused, SourceFault, SourceTooSlow, SourceUnavailable
from studio.media.pinned import PinnedBackend, SourceLimits, Watch
from studio.models import Message, Receiver
from studio.states import MessageState as State

logger = logging.getLogger(__name__)

PREFIX: Final = "whsec_"
# Ten seconds, then four times as long each time, up to a day: the last of the tries comes on the fifth day.
TRIES: Final = 10
_WAIT: Final = wait_exponential(multiplier=10, exp_base=4, max=86_400) + wait_random(0, 5)
_RETRYING: Final = Retrying()
# Longer than a try can take, so that nobody else begins one beside it.
LEASE: Final = timedelta(seconds=60)
BATCH: Final = 10
ROTATION: Final = timedelta(days=1)
# An answer is its status; of the rest nothing is read.
LIMITS: Final = SourceLimits(max_bytes=0, connect_seconds=5, read_seconds=10, total_seconds=15, rate_window_seconds=60)
USER_AGENT: Final = b"Neo-Apex-Webhooks/1"
FORGOTTEN_AT_ONCE: Final = 5000


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one try: `status` is None where there was no answer."""

    status: int | None
    words: str
    retry_after_seconds: float | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


# --- Receivers -------------------------------------------------------------------------------------------------------


def make(name: str, url: str) -> tuple[Receiver, str]:
    """A new receiver and its secret. :raises InvalidInput: no name, or an address that nothing is sent to."""
    name, url = name.strip(), url.strip()
    if not name or len(name) > 80:
        raise InvalidInput([Problem("invalid_name", "A receiver needs a name of 1 to 80 characters.", field="name")])
    _refuse_address(url)
    if Receiver.objects.filter(url=url).exists():
        raise InvalidInput([Problem("url_taken", "There is a receiver at this address.", field="url")])
    secret = _new_secret()
    return Receiver.objects.create(name=name, url=url, secret=secret), secret


def rotate(receiver: Receiver) -> str:
    """A new secret. For a day the one before signs as well."""
    secret = _new_secret()
    Receiver.objects.filter(pk=receiver.pk).update(secret=secret, secret_before=F("secret"), rotated_at=Now())
    return secret


def enable(receiver: Receiver, *, enabled: bool) -> None:
    Receiver.objects.filter(pk=receiver.pk).update(enabled=enabled)


def resend(message: Message) -> bool:
    """Put a message that has ended in line again, under its old id. False where it waits already."""
    ended = Message.objects.filter(pk=message.pk).exclude(state=State.WAITING)
    again = ended.update(state=State.WAITING, attempts=0, run_at=Now(), ended_at=None, leased_until=None)
    if again:
        doorbell.ring_on_commit("studio.send_messages")
    return bool(again)


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _refuse_address(url: str) -> None:
    try:
        addresses.check_public(url)
    except SourceUnavailable:
        # It may have a name by the time that there is something to tell.
        return
    except HostRefused:
        hint = "Give an https address that the open internet reaches; nothing is sent into private networks."
        problem = Problem("invalid_url", "Nothing is sent to this address.", hint, "url")
        raise InvalidInput([problem]) from None


# --- Sending ---------------------------------------------------------------------------------------------------------


def send_due() -> int:
    """Send what is due, a bounded number; the rest is for the next ring. Returns how many were tried."""
    tried = 0
    while tried < BATCH and (message := _claim()) is not None:
        send(message)
        tried += 1
    if tried == BATCH:
        doorbell.ring("studio.send_messages")
    return tried


def _claim() -> Message | None:
    """The next due message of a receiver that nobody else is just sending to; one that hangs holds up only itself."""
    due = Message.objects.filter(state=State.WAITING, run_at__lte=Now()).order_by("run_at", "pk")
    busy = Message.objects.filter(state=State.WAITING, leased_until__gt=Now())
    oldest = due.filter(receiver=OuterRef("pk")).values("run_at")[:1]
    told = Receiver.objects.exclude(pk__in=busy.values("receiver")).annotate(oldest=Subquery(oldest))
    with transaction.atomic():
        # Its row is locked for as long as this takes; until then somebody else may have taken a message of its.
        locked = told.filter(oldest__isnull=False).order_by("oldest").select_for_update(skip_locked=True, no_key=True)
        receiver = locked.first()
        if receiver is None or busy.filter(receiver=receiver).exists():
            return None
        message = due.filter(receiver=receiver).first()
        if message is not None:
            leased_until = timezone.now() + LEASE
            Message.objects.filter(pk=message.pk).update(leased_until=leased_until, attempts=F("attempts") + 1)
            message.attempts += 1
        return message


def send(message: Message) -> None:
    """One try of a message that was claimed, and what it means."""
    receiver = Receiver.objects.get(pk=message.receiver_id)
    heard = _post(receiver, message) if receiver.enabled else Heard(None, "switched off")
    told = {"receiver": receiver.pk, "message_id": str(message.pk), "status": heard.status, "tries": message.attempts}
    logger.info("message sent" if heard.is_taken else "message not taken", extra=told)
    if heard.is_taken:
        _end(message, State.DELIVERED, heard.words)
    elif heard.status == 410:
        # By Standard Webhooks: this receiver wants nothing any more.
        enable(receiver, enabled=False)
        _end(message, State.FAILED, heard.words)
    elif message.attempts >= TRIES or not receiver.enabled:
        _end(message, State.FAILED, heard.words)
    else:
        wait = max(wait_seconds(message.attempts), heard.retry_after_seconds or 0)
        _update(message, run_at=timezone.now() + timedelta(seconds=wait), leased_until=None, answer=heard.words)


def wait_seconds(attempt: int) -> float:
    """Until the next try after the `attempt`-th, from 1."""
    state = RetryCallState(_RETRYING, fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    return float(_WAIT(state))


def _end(message: Message, state: State, words: str) -> None:
    _update(message, state=state, ended_at=Now(), leased_until=None, answer=words)


def _update(message: Message, **fields: object) -> None:
    # Somebody may have put it in line anew, or another have taken it up after a lease that ran out: theirs counts.
    Message.objects.filter(pk=message.pk, state=State.WAITING, attempts=message.attempts).update(**fields)


def _post(receiver: Receiver, message: Message) -> Heard:
    try:
        target = addresses.check_public(receiver.url)
        return _exchange(target, _headers(receiver, message), message.body.encode())
    except (SourceFault, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
        # Its kind alone: its text may quote what was sent.
        why = "too slow" if isinstance(error, SourceTooSlow | httpcore.TimeoutException) else type(error).__name__
        return Heard(None, why)


def _exchange(target: addresses.Target, headers: list[tuple[bytes, bytes]], body: bytes) -> Heard:
    """POST once to the checked address. No redirect is followed, and no more than the head of the answer is read."""
    url = httpcore.URL(
        scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
    )
    waits = {"connect": LIMITS.connect_seconds, "read": LIMITS.read_seconds, "write": LIMITS.read_seconds}
    backend = PinnedBackend(target.addresses, Watch(LIMITS))
    with (
        httpcore.ConnectionPool(network_backend=backend, max_connections=1) as pool,
        pool.stream("POST", url, headers=headers, content=body, extensions={"timeout": waits}) as response,
    ):
        later = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
        retry_after = parse_retry_after(later.decode("latin-1") or None, datetime.now(UTC))
        return Heard(response.status, f"HTTP {response.status}", retry_after)


def _headers(receiver: Receiver, message: Message) -> list[tuple[bytes, bytes]]:
    now = timezone.now().replace(microsecond=0)
    message_id = _message_id(message.pk)
    signed = [Webhook(secret).sign(message_id, now, message.body) for secret in _secrets(receiver, now)]
    told = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signed),
    }
    return [(b"user-agent", USER_AGENT), *((name.encode(), value.encode()) for name, value in told.items())]


def _message_id(pk: UUID) -> str:
    return f"msg_{pk.hex}"


def _secrets(receiver: Receiver, now: datetime) -> Iterable[str]:
    yield receiver.secret
    if receiver.secret_before and receiver.rotated_at is not None and receiver.rotated_at > now - ROTATION:
        yield receiver.secret_before


def host_of(receiver: Receiver) -> str:
    """What of an address may be shown in a list: its path and its query may be secrets."""
    return urlsplit(receiver.url).hostname or ""


def forget_old() -> int:
    """Delete messages that ended long ago, so many a night."""
    limit = timezone.now() - timedelta(days=settings.NEOAPEX_DELIVERIES_KEPT_DAYS)
    old = Message.objects.filter(ended_at__lt=limit).values("pk")[:FORGOTTEN_AT_ONCE]
    return Message.objects.filter(pk__in=old).delete()[0]
