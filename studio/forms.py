"""The forms of the studio: they read what was typed; what is allowed is the domain's to say."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from studio.fal.fields import BPM_MIN


class Mode(TextChoices):
    """The four sets of inputs that fal takes. A switch between them makes the illegal ones unreachable."""

    DESCRIBE = "describe", _("Describe it")
    DESCRIBE_TAGS = "describe-tags", _("Describe + tags")
    DESCRIBE_LYRICS = "describe-lyrics", _("Describe + my lyrics")
    EXACT = "exact", _("Exact: tags + lyrics")


TEXTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        Mode.DESCRIBE: frozenset({"prompt"}),
        Mode.DESCRIBE_TAGS: frozenset({"prompt", "tags"}),
        Mode.DESCRIBE_LYRICS: frozenset({"prompt", "lyrics"}),
        Mode.EXACT: frozenset({"tags", "lyrics"}),
    }
)
# What to do about a text that is missing, by what is shown: nobody is sent to a field that is out of sight.
HINTS: Final[Mapping[tuple[str, str], Promise]] = MappingProxyType(
    {
        (Mode.DESCRIBE, "needs_input"): _("Write a description."),
        (Mode.DESCRIBE_TAGS, "needs_input"): _("Write a description; the tags go with it."),
        (Mode.DESCRIBE_TAGS, "tags_alone"): _("Write a description, or choose “Exact” for tags with lyrics."),
        (Mode.DESCRIBE_LYRICS, "lyrics_alone"): _("Write a description, or choose “Exact” for lyrics with tags."),
        (Mode.EXACT, "lyrics_alone"): _("Add at least one tag, or choose “Describe + my lyrics”."),
    }
)
SETTINGS: Final = frozenset({"vibe_strength", "balance_strength", "bpm", "num_songs", "output_format"})
# Only these have a bit rate.
LOSSY: Final = frozenset({"mp3", "m4a"})
BIT_RATES: Final = ("128", "192", "256", "320")
FORMATS: Final = (("wav", "WAV"), ("flac", "FLAC"), ("mp3", "MP3"), ("ogg", "OGG"), ("m4a", "M4A"))
DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mode": Mode.DESCRIBE.value,
        "vibe_strength": "2.0",
        "balance_strength": "0.7",
        "num_songs": "1",
        "output_format": "wav",
        "seed_choice": "random",
    }
)
OF_THE_PAGE: Final = frozenset({"idempotency_key", "seed_last", "once_more"})
# What is typed for no tempo at all.
FREE_TEMPO: Final = "free"

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,9}(?:[.,][0-9]{0,9})?|[.,][0-9]{1,9})", re.ASCII)


class SeedChoice(TextChoices):
    """Another one each time, that of the last song (of which the form knows), or the number typed."""

    RANDOM = "random", _("Random")
    KEEP = "keep", _("Keep")
    NUMBER = "number", _("Number")


class Trouble(Protocol):
    """One thing wrong with an input, as the domain names it."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def field(self) -> str | None: ...


class ComposerForm(forms.Form):
    """A song to be made, always bound. All is text and nothing is required: no typed word is lost to a wrong one."""

    mode = forms.CharField(required=False)
    prompt = forms.CharField(required=False, label=_("Description"))
    tags = forms.CharField(required=False, label=_("Tags"))
    lyrics = forms.CharField(required=False, strip=False, label=_("Lyrics"))
    vibe_strength = forms.CharField(required=False, label=_("Vibe Strength"))
    balance_strength = forms.CharField(required=False, label=_("Vocal balance"))
    bpm = forms.CharField(required=False, label=_("BPM"))
    seed_choice = forms.CharField(required=False)
    seed_last = forms.CharField(required=False)
    seed = forms.CharField(required=False, label=_("Seed"))
    num_songs = forms.CharField(required=False, label=_("Songs"))
    output_format = forms.CharField(required=False, label=_("Format"))
    output_bit_rate = forms.CharField(required=False, label=_("Bit rate"))
    # The digest of a recipe that is to be made once more: said of that one, it is said of no other.
    once_more = forms.CharField(required=False)
    idempotency_key = forms.CharField(required=False)

    def inputs(self) -> dict[str, object]:
        """What is asked for in the names of `generations.start`: only the texts that the mode shows.

        A number that is none stays text, so that the domain can say what is wrong with it.
        """
        typed = {name: self.data.get(name, "") for name in self.fields}
        texts = TEXTS[self.chosen_mode]
        optional = {
            "vibe_strength": _decimal(typed["vibe_strength"].strip()),
            "balance_strength": _decimal(typed["balance_strength"].strip()),
            "num_songs": _whole(typed["num_songs"].strip()),
            "output_format": typed["output_format"].strip(),
            "output_bit_rate": _whole(typed["output_bit_rate"].strip()) if "output_bit_rate" in self.shown else "",
        }
        return {
            "prompt": typed["prompt"] if "prompt" in texts else None,
            "tags": split_tags(typed["tags"]) if "tags" in texts else None,
            # Empty lyrics are an instrumental; None leaves the words to Sonauto.
            "lyrics": typed["lyrics"] if "lyrics" in texts else None,
            "bpm": _bpm(typed["bpm"].strip()),
            "seed": self.asked_seed,
            **{name: value for name, value in optional.items() if value != ""},
        }

    @property
    def chosen_mode(self) -> Mode:
        typed = self.data.get("mode", "")
        return Mode(typed) if typed in Mode.values else Mode.DESCRIBE

    @property
    def shown(self) -> frozenset[str]:
        """The fields that are in sight."""
        seed = {"seed"} if self.chosen_seed == SeedChoice.NUMBER else set()
        bit_rate = {"output_bit_rate"} if self.data.get("output_format") in LOSSY else set()
        return TEXTS[self.chosen_mode] | SETTINGS | seed | bit_rate

    @property
    def chosen_seed(self) -> SeedChoice:
        """Who sends a seed and no choice means the seed."""
        typed = self.data.get("seed_choice", "")
        return SeedChoice(typed) if typed in SeedChoice.values else SeedChoice.NUMBER

    @property
    def asked_seed(self) -> str | None:
        """None has one drawn, as does the first song of who keeps the last one's."""
        names = {SeedChoice.NUMBER: "seed", SeedChoice.KEEP: "seed_last"}
        name = names.get(self.chosen_seed)
        return (self.data.get(name, "").strip() or None) if name else None

    @property
    def labelled(self) -> list[str]:
        """The fields that have a place for what is wrong with them."""
        return [name for name, field in self.fields.items() if field.label]

    @property
    def shown_tags(self) -> list[str]:
        return split_tags(self.data.get("tags", "")) if "tags" in self.shown else []

    @property
    def typed(self) -> dict[str, str]:
        """What was sent of a person's own, to be shown again: neither the key nor what the page told itself."""
        return {name: self.data[name] for name in self.fields if name in self.data and name not in OF_THE_PAGE}

    @property
    def key(self) -> str | None:
        return self.data.get("idempotency_key") or None

    def hint_for(self, problem: Trouble) -> str:
        """What to do next, among the fields that are in sight."""
        return str(HINTS.get((self.chosen_mode, problem.code), problem.hint))

    def refuse(self, problems: Iterable[Trouble]) -> None:
        """Show each problem at its field, or above the button where its field is out of sight or there is none."""
        self.full_clean()
        for problem in problems:
            name = (problem.field or "").partition(".")[0]
            told = ValidationError(f"{problem.message} {self.hint_for(problem)}".strip())
            self.add_error(name if name in self.shown else None, told)


class ExperimentForm(forms.Form):
    """Values to compare, always bound; all is text, and what is wrong with it is the domain's to say."""

    parameter = forms.CharField(required=False)
    value_0 = forms.CharField(required=False)
    value_1 = forms.CharField(required=False)
    value_2 = forms.CharField(required=False)
    value_3 = forms.CharField(required=False)
    freeze = forms.CharField(required=False)
    idempotency_key = forms.CharField(required=False)

    @property
    def typed_values(self) -> list[str]:
        return [self.data.get(f"value_{place}", "").strip() for place in range(4)]

    def asked(self) -> dict[str, Any]:
        """In the names of `experiments.start`. A field that is empty is no value."""
        parameter = self.data.get("parameter", "")
        read = _bpm if parameter == "bpm" else _decimal
        return {
            "parameter": parameter,
            "values": [read(typed) for typed in self.typed_values if typed],
            "freeze": bool(self.data.get("freeze")),
        }

    @property
    def key(self) -> str | None:
        return self.data.get("idempotency_key") or None


def setting_words(value: float | str | None) -> str:
    """The value of a parameter as it is typed."""
    if value is None:
        return FREE_TEMPO
    # Kept in its canonical form 2.0 is 2; no tempo is as low as any strength.
    return f"{value:.1f}" if isinstance(value, int) and value < BPM_MIN else str(value)


def split_tags(text: str) -> list[str]:
    """Tags as typed, by commas or lines; empty ones are none."""
    return [tag.strip() for tag in re.split(r"[,\n]", text) if tag.strip()]


def from_recipe(recipe: Mapping[str, Any]) -> dict[str, str]:
    """The composer filled so that it asks for the same song again."""
    given = {name for name in ("prompt", "tags", "lyrics") if recipe.get(name) is not None}
    mode = next((mode for mode, texts in TEXTS.items() if texts == given), Mode.DESCRIBE)
    bpm = recipe.get("bpm", "auto")
    return {
        "mode": str(mode),
        "prompt": recipe.get("prompt") or "",
        "tags": ", ".join(recipe.get("tags") or []),
        "lyrics": recipe.get("lyrics") or "",
        "bpm": "" if bpm == "auto" else FREE_TEMPO if bpm is None else str(bpm),
        "seed_choice": str(SeedChoice.NUMBER if recipe.get("seed") is not None else SeedChoice.RANDOM),
        **{
            name: str(recipe[name])
            for name in (
                "vibe_strength", "balance_strength", "seed", "num_songs", "output_format", "output_bit_rate",
            )
            if recipe.get(name) is not None
        },
    }  # fmt: skip


def _bpm(text: str) -> int | str | None:
    if text.casefold() == FREE_TEMPO:
        return None
    return _whole(text.casefold() or "auto")


def _whole(text: str) -> int | str:
    return int(text) if _WHOLE.fullmatch(text) else text


def _decimal(text: str) -> float | str:
    return float(text.replace(",", ".")) if _DECIMAL.fullmatch(text) else text
