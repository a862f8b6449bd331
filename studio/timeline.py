"""The life of a generation as its events tell it: when, what in words, and how long after the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from studio.models import Event, Generation, Track
from studio.states import GenerationState as State

_NAMED: Final[dict[str, Promise]] = {
    "job_queued": gettext_lazy("Asked for; the price was set aside"),
    "job_started": gettext_lazy("fal took it"),
    "job_progress": gettext_lazy("Under way"),
    "job_succeeded": gettext_lazy("Ready"),
    "job_failed": gettext_lazy("Failed; nothing was charged"),
}
_REACHED: Final[dict[str, Promise]] = {
    State.QUEUED: gettext_lazy("Waiting"),
    State.SUBMITTED: gettext_lazy("Sent to fal"),
    State.RUNNING: gettext_lazy("Sonauto makes the song"),
    State.LOST: gettext_lazy("No sign of life from fal; we keep asking"),
    State.INGESTING: gettext_lazy("Done; being saved"),
}
_MASTER: Final = {
    "RESTORING": (
        gettext_lazy("The master was asked back from cold storage"),
        gettext_lazy("The master of %s was asked back from cold storage"),
    ),
    "RESTORED": (
        gettext_lazy("The master is back from cold storage"),
        gettext_lazy("The master of %s is back from cold storage"),
    ),
}
_TRASHED: Final = {
    True: (gettext_lazy("Put in the trash"), gettext_lazy("Variation %s was put in the trash")),
    False: (gettext_lazy("Put back"), gettext_lazy("Variation %s was put back")),
}
_ACCEPTED: Final = {
    True: gettext_lazy("You accepted this take"),
    False: gettext_lazy("You took the acceptance back"),
}
_KEPT: Final = {
    True: (gettext_lazy("Kept"), gettext_lazy("You kept variation %s")),
    False: (gettext_lazy("No longer kept"), gettext_lazy("Variation %s is no longer the one you kept")),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """An event as people say it. `gap` is the time since the one before; the first has none."""

    event: str
    at: datetime
    says: str
    gap: timedelta | None


def read(generation: Generation, tracks: Sequence[Track]) -> list[Moment]:
    """All of it, from the click on. `tracks` are the generation's, so that they needn't be read again."""
    moments: list[Moment] = []
    for event in generation.events.order_by("pk"):
        gap = max(timedelta(0), event.at - moments[-1].at) if moments else None
        moments.append(Moment(event.name, event.at, _words(event, tracks, first=not moments), gap))
    return moments


def _words(event: Event, tracks: Sequence[Track], *, first: bool) -> str:
    data: dict[str, Any] = event.data
    state = data.get("state")
    if said := _by_the_person(data):
        return said
    if data.get("fetched_again"):
        return _named_track(data["track"], tracks, _("The song is fetched again"), _("Variation %s is fetched again"))
    if data.get("master") in _MASTER:
        return _named_track(data["track"], tracks, *map(str, _MASTER[data["master"]]))
    if data.get("trashed") is not None:
        return _named_track(data["track"], tracks, *map(str, _TRASHED[data["trashed"]]))
    if data.get("kept") is not None:
        return _named_track(data["track"], tracks, *map(str, _KEPT[data["kept"]]))
    if data.get("track"):
        return _named_track(data["track"], tracks, _("The song is saved"), _("Variation %s is saved"))
    if isinstance(data.get("queue_position"), int):
        return str(_("Number %d in fal’s line") % (data["queue_position"] + 1))
    if data.get("logs"):
        return _("fal’s model wrote to its log")
    if event.name == "job_queued" and not first:
        return _("fal did not take it; it is sent again later")
    if event.name == "job_progress" and state in _REACHED:
        return str(_REACHED[state])
    if event.name == "job_failed" and state == State.CANCELLED:
        return _("Cancelled")
    return str(_NAMED.get(event.name, event.name))


def _by_the_person(data: dict[str, Any]) -> str:
    if data.get("cancel_requested"):
        return _("You asked to cancel it")
    return str(_ACCEPTED[data["accepted"]]) if data.get("accepted") is not None else ""


def _named_track(track_id: str, tracks: Sequence[Track], one: str, several: str) -> str:
    found = next((track for track in tracks if str(track.pk) == track_id), None)
    if found is None or len(tracks) < 2:
        return one
    return str(several % "AB"[found.variation])
