"""How experiments are written for people: parameters, their values, and what chance comes to."""

from collections.abc import Mapping
from typing import Final

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from studio import forms
from studio.fal.fields import label
from studio.models import Experiment
from studio.states import Parameter

register = template.Library()

RANGES: Final[Mapping[str, Promise]] = {
    Parameter.VIBE_STRENGTH: gettext_lazy("From 1.4 to 3.1."),
    Parameter.BALANCE_STRENGTH: gettext_lazy("From 0 to 1."),
    Parameter.BPM: gettext_lazy("A whole number from 20 to 300, auto, or free for no fixed tempo."),
}


@register.filter
def parameter_words(name: str) -> str:
    return _(label(name))


@register.filter
def range_words(name: str) -> str:
    return str(RANGES.get(name, ""))


@register.filter
def setting_words(value: float | str | None) -> str:
    return forms.setting_words(value)


@register.filter
def loudness(lufs: float) -> str:
    return f"{lufs:.1f} LUFS".replace("-", "−")


@register.filter
def at_place(letters: str, place: int) -> str:
    return letters[place]


@register.filter
def in_seconds(milliseconds: int) -> str:
    """For scripts: with a point in every language."""
    return str(milliseconds / 1000)


@register.filter
def add_number(number: float, more: int) -> float:
    return number + more


@register.filter
def percent_words(share: float) -> str:
    """0.0384 as 3.8 %; never as nothing where it is something."""
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


@register.filter
def locked_lines(experiment: Experiment) -> list[tuple[str, str]]:
    """All that the arms have in common, but for what says nothing."""
    locked = experiment.locked
    shown = {name: value for name, value in locked.items() if name == "bpm" or value is not None}
    return [(name, _locked_words(name, value)) for name, value in shown.items()]


def _locked_words(name: str, value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name == "lyrics" and not value:
        return _("none: an instrumental")
    return _("free") if value is None else str(value)
