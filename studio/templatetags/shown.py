"""How the studio's values are written for people: money, times and months."""

from collections.abc import Mapping
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.dates import MONTHS_3
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ledger.money import display_dollars
from ledger.queries import Balance

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of `icons.html`; what it means is said in words beside it."""
    return format_html('<svg class="icon" aria-hidden="true" focusable="false"><use href="#icon-{}"></use></svg>', name)


@register.filter
def dollars(micros: int) -> str:
    return display_dollars(micros)


@register.filter
def clock(milliseconds: int) -> str:
    """Milliseconds as 1:35."""
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes}:{seconds:02d}"


@register.filter
def seconds_since(moment: datetime) -> int:
    return max(0, int((timezone.now() - moment).total_seconds()))


@register.filter
def clock_since(moment: datetime) -> str:
    return clock(seconds_since(moment) * 1000)


@register.filter
def month_name(month: str) -> str:
    """2026-11 as Nov."""
    return str(MONTHS_3[int(month[5:7])])


@register.filter
def letter(variation: int) -> str:
    """Variation 0 is A."""
    return "AB"[variation]


@register.filter
def percent_of(part: int, whole: int) -> int:
    return min(100, max(0, round(100 * part / whole))) if whole > 0 else 100


@register.filter
def usual(seconds: tuple[int, int]) -> str:
    """A range as people say it: in whole tens above half a minute, so that it doesn't claim to know better."""
    low, high = (value if value < 30 else round(value, -1) for value in seconds)
    if low == high:
        return _("usually about %d s") % low
    return _("usually %(low)d–%(high)d s") % {"low": low, "high": high}


@register.filter
def used_micros(balance: Balance) -> int:
    """What is spent or set aside."""
    return balance.held_micros + balance.spent_micros


@register.filter
def at(found: Mapping[str, object], name: str) -> object:
    """What a mapping holds under a name that the template has in a variable; nothing where it holds nothing."""
    return found.get(name, ())
