"""Whether fal's callbacks can arrive and be verified."""

import socket
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.db import connection

from neoapex import environment
from neoapex.doctor.asking import Answer, NoAnswer, ask
from neoapex.doctor.findings import State, Verdict, advice, ok, wrong
from webhooks import signatures

NTP = "Let the machine's clock be set by NTP."
PROXY = "Look at the proxy, the certificate and the DNS entry, and try the address from another network."
ADDRESS = "Set it to the https address of the studio that fal can reach."
NOTICED_SECONDS = 5


def keys() -> Sequence[Verdict]:
    if settings.NEOAPEX_WEBHOOK_SCHEME == "hmac":
        return [ok("A relay signs the callbacks: fal's keys are not needed.")]
    remedy = "Look at NEOAPEX_FAL_JWKS_URL and at the firewall. Until then callbacks get a 503, and fal tries again."
    try:
        answer = ask("GET", settings.NEOAPEX_FAL_JWKS_URL)
        if answer.status_code != 200:
            return [wrong(f"fal's signing keys can't be fetched: the address answers {answer.status_code}.", remedy)]
        found = signatures.parse_keys(answer.json())
    except NoAnswer as error:
        return [wrong(f"fal's signing keys can't be fetched: {error.why}.", remedy)]
    except ValueError:
        return [wrong("fal's key set holds no key that can be used.", remedy)]
    return [ok(f"fal's key set holds {len(found)} key{'s' if len(found) > 1 else ''}.")]


# --- The public address ----------------------------------------------------------------------------------------------


def public_url() -> Sequence[Verdict]:
    if not settings.NEOAPEX_PUBLIC_URL:
        return [advice("NEOAPEX_PUBLIC_URL is not set: outcomes are fetched by asking, which is slower.", ADDRESS)]
    verdicts = [*_where_it_leads(urlsplit(settings.NEOAPEX_PUBLIC_URL).hostname or ""), _is_the_studio()]
    return [verdict for verdict in verdicts if verdict.state is not State.OK] or verdicts[-1:]


def _where_it_leads(host: str) -> list[Verdict]:
    """fal calls no private address back; the stand-in on this machine does."""
    if environment.is_loopback(urlsplit(settings.NEOAPEX_FAL_QUEUE_URL).hostname):
        return []
    if environment.is_loopback(host) or _is_private(host):
        return [wrong(f"fal calls no private address, and {host} is one.", ADDRESS)]
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)}
    except OSError:
        return [wrong(f"The name {host} leads nowhere.", "Add a DNS entry for it.")]
    if all(_is_private(address) for address in found):
        return [advice(f"Seen from here, {host} is a private address.", "Make sure that it is a public one for fal.")]
    return []


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def _is_the_studio() -> Verdict:
    url = f"{settings.NEOAPEX_PUBLIC_URL}/healthz"
    try:
        answer = ask("GET", url)
    except NoAnswer as error:
        return wrong(f"{url} can't be reached: {error.why}.", PROXY)
    if answer.json() == {"alive": True}:
        return ok(f"{settings.NEOAPEX_PUBLIC_URL} leads to the studio.")
    return _wrong_answer(url, answer)


def webhook() -> Sequence[Verdict]:
    """A callback that nobody signed: a studio that can be reached refuses it, and counts it under Webhook health."""
    if not settings.NEOAPEX_PUBLIC_URL:
        return [ok("Without a public address no callbacks are asked for.")]
    url = f"{settings.NEOAPEX_PUBLIC_URL}/webhooks/fal/{uuid4()}/"
    try:
        answer = ask("POST", url)
    except NoAnswer as error:
        return [wrong(f"Callbacks can't arrive: {error.why}.", PROXY)]
    problem = answer.json()
    if answer.status_code == 403 and isinstance(problem, dict) and problem.get("code") == "not_verified":
        return [ok("Callbacks arrive, and one without a signature is refused.")]
    return [_wrong_answer(url, answer)]


def _wrong_answer(url: str, answer: Answer) -> Verdict:
    says = f"{url} answers {answer.status_code}"
    if 300 <= answer.status_code < 400:
        to = answer.headers.get("location", "")[:200]
        return wrong(f"{says} and leads to {to}: fal follows no redirect.", "Set NEOAPEX_PUBLIC_URL to where it leads.")
    if answer.status_code == 400:
        return wrong(f"{says}.", "Name its host in ALLOWED_HOSTS.")
    if answer.status_code == 503:
        return wrong(f"{says}: the studio is there and can't do its work.", "Look at /readyz and at the logs.")
    return wrong(f"{says}: that is not the studio.", PROXY)


# --- The clock -------------------------------------------------------------------------------------------------------


def clock() -> Sequence[Verdict]:
    """Signatures are refused at five minutes, and buckets refuse at fifteen."""
    return [_against_fal(), _against_the_database()]


def _against_fal() -> Verdict:
    try:
        answer = ask("GET", settings.NEOAPEX_FAL_JWKS_URL)
        says = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (NoAnswer, KeyError, ValueError):
        return advice("fal's clock can't be read.", "See what is said of its keys.")
    return _judged(answer.asked_at - says, "fal's")


def _against_the_database() -> Verdict:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        [says] = cursor.fetchone()
    return _judged(time.time() - says, "the database's")


def _judged(ahead_seconds: float, whose: str) -> Verdict:
    off = abs(ahead_seconds)
    if off <= NOTICED_SECONDS:
        return ok(f"The clock agrees with {whose}.")
    says = f"The clock is {off:.0f} s {'ahead of' if ahead_seconds > 0 else 'behind'} {whose}"
    if off < signatures.TOLERANCE_SECONDS / 2:
        return advice(f"{says}.", NTP)
    return wrong(f"{says}: callbacks are refused at {signatures.TOLERANCE_SECONDS} s.", NTP)
