"""Typed readers for the environment: each either gives a good value or says in one sentence which variable is wrong."""

import json
import os
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping
from limits import RateLimitItem, parse

from neoapex.embedded.home import Home

env = FileAwareEnv()

ENVIRONMENT_FILE = "environment.json"


def adopt_running_studio(home: Path) -> None:
    """Take database, broker and fal settings from a studio that runs from `home`, so that commands work beside it.

    What the environment already says wins.
    """
    path = home / ENVIRONMENT_FILE
    if "DATABASE_URL" in os.environ or "DATABASE_URL_FILE" in os.environ:
        return
    # After a kill -9 the file stays behind, and tells of servers that are gone.
    if not path.exists() or not Home(home).is_running():
        return
    for name, value in json.loads(path.read_text()).items():
        os.environ.setdefault(name, value)


def text(name: str, default: str | None = None, *, hint: str = "") -> str:
    """The variable, or what the file named by `<name>_FILE` holds; without a default it must be there.

    :raises ImproperlyConfigured: naming the variable and what to do.
    """
    try:
        # Straight from the mapping: a secret may begin with "$", which `env.str` would take for a variable's name.
        value = str(FileAwareMapping().get(name, "")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE can't be read ({type(error).__name__}).") from None
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} (or {name}_FILE) is not set. {hint}".strip())
    return default


def whole_number(name: str, default: int, *, at_least: int = 0) -> int:
    raw = text(name, str(default))
    try:
        value = int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {raw!r}.") from None
    if value < at_least:
        raise ImproperlyConfigured(f"{name} must be at least {at_least}, not {value}.")
    return value


def days_or_off(name: str, default: str) -> int | None:
    """At least one day; None where it is off."""
    return None if text(name, default) == "off" else whole_number(name, int(default), at_least=1)


def parsed(name: str, value: str, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The parts of a URL, by a parser that raises this and that. The value is not repeated: it holds a password."""
    try:
        return parse(value)
    except (ValueError, KeyError, ImproperlyConfigured):
        raise ImproperlyConfigured(f"{name} is no URL of the form it needs.") from None


def redis_url(name: str, *, hint: str) -> str:
    value = text(name, hint=hint)
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured(f"{name} must name a Redis. {hint}")
    return value


def dollars_as_micros(name: str, default: str) -> int:
    """An amount like 10.00 as millionths of a dollar; at most six decimals, never negative."""
    return _micros(name, text(name, default))


def prices(name: str, default: str) -> dict[str, tuple[int, ...]]:
    """What each of the things in `default` costs, in millionths of a dollar, as in STANDARD=0.023,GLACIER=0.0036.

    A price may have parts, as in 0.03+0.01; there are as many as in the default. What is left out has its default.
    """
    usual, given = (dict(part.partition("=")[::2] for part in raw.split(",")) for raw in (default, text(name, default)))
    parts = {what.strip(): price.strip().split("+") for what, price in (usual | given).items()}
    if parts.keys() != usual.keys() or any(len(parts[what]) != len(usual[what].split("+")) for what in usual):
        raise ImproperlyConfigured(f"{name} must be like {default}.")
    return {what: tuple(_micros(name, amount) for amount in parts[what]) for what in usual}


def _micros(name: str, raw: str) -> int:
    whole, _, fraction = raw.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 9) or (
        fraction and not (fraction.isascii() and fraction.isdigit() and len(fraction) <= 6)
    ):
        raise ImproperlyConfigured(f"{name} must be an amount in dollars like 10.00, not {raw!r}.")
    return int(whole) * 1_000_000 + int((fraction or "0").ljust(6, "0"))


def one_of(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def webhook_secret(name: str, fal_key: str) -> str:
    """The secret that relays sign callbacks with; `@FAL_KEY` stands for the FAL key.

    :raises ImproperlyConfigured: it is not there: an empty secret is one that everybody knows.
    """
    value = text(name, hint="A relay signs with it: any long random text, or @FAL_KEY to take the FAL key.")
    if value != "@FAL_KEY":
        return value
    if not fal_key:
        raise ImproperlyConfigured(f"{name} is @FAL_KEY, but FAL_KEY (or FAL_KEY_FILE) is not set.")
    return fal_key


def switch(name: str, *, default: bool) -> bool:
    return one_of(name, "on" if default else "off", ("on", "off")) == "on"


def rate(name: str, default: str) -> RateLimitItem | None:
    """So many in so long, like 30/minute; None where it is off."""
    raw = text(name, default)
    if raw == "off":
        return None
    try:
        # The parser would take the first of several and leave the others out.
        value = parse(raw) if not set(raw) & set(",;|") else None
    except ValueError:
        value = None
    if value is None or value.amount < 1 or value.multiples < 1:
        raise ImproperlyConfigured(f"{name} must be off or a rate like 30/minute, not {raw!r}.")
    return value


def names(name: str, default: str) -> list[str]:
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def networks(name: str, default: str) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(part) for part in names(name, default)]
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be networks like 10.0.0.0/8, with commas between.") from None


def is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return host is not None and ip_address(host).is_loopback
    except ValueError:
        return False


def url(name: str, default: str, *, embedded: bool, inside: bool = False) -> str:
    """A base URL without a trailing slash: https, or in embedded mode http to this machine. Empty stays empty.

    What stands inside the house may be reached by http from anywhere: its servers often have no certificate.
    """
    value = text(name, default).rstrip("/")
    if not value:
        return value
    try:
        parts = urlsplit(value)
        plain = bool(parts.hostname) and not (parts.username or parts.query or parts.fragment or parts.port == 0)
    except ValueError:
        plain = False
    if not plain:
        # Not repeated, for it may hold a password.
        raise ImproperlyConfigured(f"{name} must be a plain base URL, without user, query and fragment.")
    if parts.scheme == "https" or (parts.scheme == "http" and (inside or (embedded and is_loopback(parts.hostname)))):
        return value
    raise ImproperlyConfigured(f"{name} must be an https URL (http only to this machine, in embedded mode): {value!r}.")


def bucket_origins(bucket: str, endpoint_url: str, region: str, addressing_style: str) -> list[str]:
    """The origins that links into the bucket lead to; none where there is no bucket."""
    if not bucket:
        return []
    if not endpoint_url:
        # In its oldest region Amazon's host has no region in it; in path style the bucket is no part of the host.
        hosts = [f"s3.{region}.amazonaws.com", "s3.amazonaws.com"]
        return [f"https://{host}" for bare in hosts for host in (f"{bucket}.{bare}", bare)]
    parts = urlsplit(endpoint_url)
    netloc = f"{bucket}.{parts.netloc}" if addressing_style == "virtual" else parts.netloc
    return [f"{parts.scheme}://{netloc}"]
