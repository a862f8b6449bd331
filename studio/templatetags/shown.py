"""How the studio's values are written for people: money, times and months."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

from django import template
from django.utils import dateformat, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ledger.models import Entry, EntryKind
from ledger.money import display_dollars, whole_percent
from ledger.queries import Balance
from studio import takeaway, tracks
from studio.fal.fields import label
from studio.lineage import Node
from studio.models import Track
from studio.queries import Card
from studio.statements import Line

register = template.Library()

STEPS: Final = ("waiting", "sent", "running", "saving", "ready")
ENTRY_WORDS: Final = {
    EntryKind.GRANT: gettext_lazy("Granted"),
    EntryKind.HOLD: gettext_lazy("Set aside"),
    EntryKind.CHARGE: gettext_lazy("Charged"),
    EntryKind.RELEASE: gettext_lazy("Given back"),
    EntryKind.ADJUST: gettext_lazy("Adjusted"),
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of `icons.html`; what it means is said in words beside it."""
    return format_html('<svg class="icon" aria-hidden="true" focusable="false"><use href="#icon-{}"></use></svg>', name)


@register.filter
def dollars(micros: int) -> str:
    return display_dollars(micros)


@register.filter
def cents(micros: int) -> str:
    """About how much, for what is no charge: to the cent, and in words below one."""
    if micros <= 0:
        return _("free")
    return display_dollars((micros + 5_000) // 10_000 * 10_000) if micros >= 10_000 else _("less than $0.01")


@register.filter
def clock(milliseconds: int) -> str:
    """Milliseconds as 1:35."""
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes}:{seconds:02d}"


@register.filter
def long_clock(seconds: int) -> str:
    """Seconds as 1:35, or as 2:05:10 from an hour on."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.filter
def seconds_since(moment: datetime) -> int:
    return max(0, int((timezone.now() - moment).total_seconds()))


@register.filter
def clock_since(moment: datetime) -> str:
    return clock(seconds_since(moment) * 1000)


@register.filter
def month_name(month: str) -> str:
    """2026-11 as Nov."""
    return dateformat.format(date.fromisoformat(f"{month}-01"), "M")


@register.filter
def formats(track: Track) -> list[str]:
    return takeaway.formats(track)


@register.filter
def letter(variation: int) -> str:
    """Variation 0 is A."""
    return "AB"[variation]


@register.filter
def percent_of(part: int, whole: int) -> int:
    """For a meter, which is full where there is nothing to use."""
    return min(100, whole_percent(part, whole)) if whole > 0 else 100


@register.filter
def at_most(number: int, most: int) -> int:
    return min(number, most)


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
def dollars_or_dash(micros: int) -> str:
    return display_dollars(micros) if micros else "–"


@register.filter
def whole_month(month: str) -> str:
    """2026-11 as November 2026."""
    return dateformat.format(date.fromisoformat(f"{month}-01"), "F Y")


@register.filter
def at(found: Mapping[str, object], name: str) -> object:
    """What a mapping holds under a name that the template has in a variable; nothing where it holds nothing."""
    return found.get(name, ())


@register.filter
def decibels(db: float) -> str:
    """-2.3 as −2.3 dB."""
    return f"{db:.1f} dB".replace("-", "\u2212")


@register.filter
def letters(number: int) -> str:
    """The letters of so many variations."""
    return "AB"[:number]


@register.filter
def steps(card: Card) -> list[tuple[str, str]]:
    """The way of a song with where it is on it: each step done, present or still to come."""
    here = STEPS.index(card.phase) if card.phase in STEPS else len(STEPS)
    return [
        (step, "done" if place < here else "here" if place == here else "ahead") for place, step in enumerate(STEPS)
    ]


@register.filter
def entry_words(entry: Entry) -> str:
    return str(ENTRY_WORDS[EntryKind(entry.kind)])


@register.filter
def entry_amount(entry: Entry) -> str:
    """What an entry gives (+) or takes (−). What is set aside is neither yet, so it has no sign."""
    match entry.kind:
        case EntryKind.HOLD:
            return display_dollars(entry.held_delta)
        case EntryKind.RELEASE:
            micros = -entry.held_delta
        case _:
            micros = entry.granted_delta - entry.spent_delta
    sign = "+" if micros > 0 else "\u2212" if micros < 0 else ""
    return sign + display_dollars(abs(micros))


@register.filter
def entry_story(line: Line) -> str:
    """What an entry leaves open by itself: how its hold ended, or what became of the rest of one."""
    entry = line.entry
    match entry.kind, line.outcome:
        case EntryKind.HOLD, EntryKind.CHARGE:
            return _("then charged")
        case EntryKind.HOLD, EntryKind.RELEASE:
            return _("then given back")
        case EntryKind.HOLD, _:
            return _("still set aside")
        case EntryKind.CHARGE, _:
            return _rest_words(-entry.held_delta - entry.spent_delta) if entry.held_delta else ""
    return ""


def _rest_words(rest_micros: int) -> str:
    """What a charge left of its hold."""
    if rest_micros > 0:
        return _("%s of what was set aside was given back") % display_dollars(rest_micros)
    return _("%s more than was set aside") % display_dollars(-rest_micros) if rest_micros else ""


@register.filter
def gap_words(gap: timedelta | None) -> str:
    """How long after the moment before: +0.4 s, +12 s, +3 min 5 s, +1 h 2 min."""
    if gap is None:
        return ""
    seconds = gap.total_seconds()
    if seconds < 10:
        return f"+{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"+{whole} s"
    if whole < 3600:
        return f"+{whole // 60} min {whole % 60} s"
    return f"+{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def changes(node: Node) -> list[str]:
    """What is another one than in the recipe of the track that it was made from."""
    told = []
    for name, value in node.changed.items():
        if name == "side" or not value:
            continue
        shown = f"{value['start']:g}–{value['end']:g} s" if isinstance(value, dict) else value
        shown = f"{shown:g}" if isinstance(shown, float) else shown
        words = label(name)
        told.append(_("other %s") % words.lower() if value == "changed" else f"{words} {shown}")
    return told


@register.filter
def can_be_fetched_again(track: Track) -> bool:
    return tracks.can_be_fetched_again(track)
