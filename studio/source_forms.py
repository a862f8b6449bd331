"""The forms of what is made from a track: they read what was typed; what is allowed is the domain's to say."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from studio.errors import Problem
from studio.extensions import words_of
from studio.forms import split_tags
from studio.models import Track
from studio.states import SourceAudio

_TIME: Final = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,5}(?:[.,][0-9]{0,6})?)", re.ASCII)
_WHERE: Final = {"section.start": "start", "section.end": "end", "section": "end"}
USUAL_SECTION_SECONDS: Final = 4.0


class SourceForm(forms.Form):
    """Always bound. All is text and nothing is required: no typed word is lost to a wrong one."""

    tags = forms.CharField(required=False, label=_("Tags"))
    lyrics = forms.CharField(required=False, strip=False, label=_("Lyrics"))
    vibe_strength = forms.CharField(required=False, label=_("Vibe Strength"))
    balance_strength = forms.CharField(required=False, label=_("Vocal balance"))
    seed = forms.CharField(required=False, label=_("Seed"))
    source_audio = forms.CharField(required=False)
    idempotency_key = forms.CharField(required=False)

    def typed(self, name: str) -> str:
        return str(self.data.get(name, ""))

    @property
    def audio(self) -> str:
        typed = self.typed("source_audio")
        return typed if typed in SourceAudio.values else SourceAudio.MASTER

    @property
    def key(self) -> str | None:
        return self.typed("idempotency_key") or None

    @property
    def strengths(self) -> dict[str, object]:
        given = {name: _seconds(self.typed(name)) for name in ("vibe_strength", "balance_strength")}
        return {name: value for name, value in given.items() if value != ""}

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Show each problem at its field, or at the button where there is none."""
        self.full_clean()
        for problem in problems:
            path = problem.field or ""
            name = _WHERE.get(path, path.partition(".")[0])
            self.add_error(name if name in self.fields else None, f"{problem.message} {problem.hint}".strip())


class RetouchForm(SourceForm):
    start = forms.CharField(required=False, label=_("From"))
    end = forms.CharField(required=False, label=_("To"))
    selection_crop = forms.CharField(required=False)

    def inputs(self) -> dict[str, object]:
        return {
            "section": {"start": _seconds(self.typed("start")), "end": _seconds(self.typed("end"))},
            "tags": split_tags(self.typed("tags")),
            "lyrics": self.typed("lyrics"),
            "seed": self.typed("seed").strip() or None,
            "selection_crop": bool(self.typed("selection_crop")),
            **self.strengths,
        }


class ExtendForm(SourceForm):
    side = forms.CharField(required=False, label=_("Where"))
    extend_duration = forms.CharField(required=False, label=_("Seconds to add"))
    crop_duration = forms.CharField(required=False, label=_("Seconds to cut first"))

    def inputs(self) -> dict[str, object]:
        crop = _seconds(self.typed("crop_duration"))
        return {
            "side": self.typed("side"),
            "extend_duration": None if self.typed("extend_duration") == "" else _seconds(self.typed("extend_duration")),
            "crop_duration": 0.0 if crop == "" else crop,
            "tags": split_tags(self.typed("tags")),
            "lyrics": self.typed("lyrics"),
            "seed": self.typed("seed").strip() or None,
            **self.strengths,
        }


def for_retouch(track: Track) -> Mapping[str, str]:
    """Some seconds in the middle, with the words that the track was made from."""
    seconds = (track.duration_ms or 0) / 1000
    start = max(0.0, round(seconds / 2 - USUAL_SECTION_SECONDS / 2))
    return {"start": f"{start:g}", "end": f"{min(start + USUAL_SECTION_SECONDS, seconds):g}", **_words(track, 2.0)}


def for_extension(track: Track) -> Mapping[str, str]:
    return {"side": "right", "extend_duration": "", "crop_duration": "0", **_words(track, 1.8)}


def _words(track: Track, usual_vibe: float) -> dict[str, str]:
    known: dict[str, Any] = words_of(track)
    recipe = track.generation.recipe
    return {
        "tags": ", ".join(known.get("tags") or track.generation.written_tags or []),
        "lyrics": str(known.get("lyrics") or track.generation.written_lyrics or ""),
        "vibe_strength": str(recipe.get("vibe_strength", usual_vibe)),
        "balance_strength": str(recipe.get("balance_strength", 0.7)),
    }


def _seconds(text: str) -> float | str:
    """Seconds, or minutes and seconds as in 1:02.5; what is neither stays text, so that the domain can say so."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return text.strip()
    return 60.0 * int(found[1] or 0) + float(found[2].replace(",", "."))
