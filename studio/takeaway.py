"""What a person can take along of a track: the MP3, the master, FLAC, a clip, and several of them in one ZIP."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from django.utils.translation import gettext as _
from zipstream import ZipStream

from studio import lineage, naming, recipes, restores, tracks
from studio.errors import InvalidRegion, MasterGone, MasterIsCold, NoSuchFormat, NotFound, TrackNotReady
from studio.media.credits import Credits
from studio.media.errors import AudioUnreadable
from studio.media.sniff import AUDIO_TYPES
from studio.media.storage import default_storage, reader
from studio.media.tagged import tagged
from studio.media.wavfile import Samples, find_samples
from studio.models import Track, User
from studio.states import MasterStorage, TrackState

if TYPE_CHECKING:
    from studio.media.clips import Clip

logger = logging.getLogger(__name__)

MAX_TRACKS: Final = 100
USUAL_CLIP_SECONDS: Final = 10
COLD_LIST: Final = "not-in-this-zip.txt"
AT_HAND: Final = (MasterStorage.STANDARD, MasterStorage.RESTORED)


@dataclass(frozen=True, slots=True)
class File:
    """A file to be sent. `opened` answers for any part of it; without it the file is only made by and by."""

    name: str
    content_type: str
    opened: Any = None
    blocks: Iterator[bytes] = field(default_factory=lambda: iter(()))


def formats(track: Track) -> list[str]:
    """What the track can be had in, the master's own format first."""
    offered = [track.master_format, "flac", "mp3"] if track.master_format == "wav" else [track.master_format, "mp3"]
    return list(dict.fromkeys(offered))


def file_of(*, person: User, track_id: UUID, wanted: str) -> File:
    """The track in one of its formats, with its recipe and credits inside.

    :raises NotFound, TrackNotReady, TrackInTrash, TrackDeleted: as `tracks.kept_within_reach`.
    :raises NoSuchFormat: nor in that one. :raises MasterGone, MasterIsCold: for all but the preview's MP3.
    """
    track = tracks.kept_within_reach(person, track_id)
    if wanted not in formats(track):
        raise NoSuchFormat
    if not _is_preview(track, wanted):
        _at_hand(track)
    return _file(track, wanted)


def _is_preview(track: Track, wanted: str) -> bool:
    return wanted == "mp3" and track.master_format != "mp3"


def _at_hand(track: Track) -> None:
    if restores.look(track).master_storage not in AT_HAND:
        raise MasterIsCold


def _file(track: Track, wanted: str) -> File:
    name, content_type = naming.file_name(track, wanted), AUDIO_TYPES[wanted]
    if wanted == "flac" and track.master_format != "flac":
        return File(name, content_type, blocks=_flac(track, _samples_for_flac(track)))
    key = track.preview_key if _is_preview(track, wanted) else track.master_key
    try:
        opened = tagged(_opener(key), wanted, credits_of(track))
    except FileNotFoundError:
        raise MasterGone from None
    return File(name, content_type, opened=opened)


def _samples_for_flac(track: Track) -> Samples:
    try:
        found = find_samples(reader(track.master_key), track.master_bytes or 0)
    except FileNotFoundError:
        raise MasterGone from None
    if not _encoder().is_lossless(found.format):
        raise NoSuchFormat
    return found


def _flac(track: Track, found: Samples) -> Iterator[bytes]:
    stored = default_storage().open_range(track.master_key, found.start, found.end)
    try:
        yield from _encoder().encode(stored, found, credits_of(track))
    finally:
        stored.close()


def _opener(key: str) -> Callable[[], Any]:
    return lambda: default_storage().open_file(key)


def credits_of(track: Track) -> Credits:
    """What is written into its files. Who made it is not: files are passed on."""
    generation = track.generation
    lyrics = generation.recipe.get("lyrics")
    return Credits(
        title=track.title,
        made_on=f"{generation.created_at:%Y-%m-%d}",
        attribution=recipes.ATTRIBUTION,
        seed=str(generation.seed),
        recipe=recipes.canonical_inputs(generation),
        genre=", ".join(recipes.tags_of(generation)),
        lyrics=(generation.written_lyrics if lyrics is None else lyrics) or "",
    )


# --- Clips -----------------------------------------------------------------------------------------------------------


def clip(
    *,
    person: User,
    track_id: UUID,
    start: float,
    end: float | None,
    output: Literal["mp3", "wav"],
    match: UUID | None = None,
) -> "tuple[Clip, bytes]":
    """A region with two seconds around it; no louder than the track `match`, where one is given.

    :raises InvalidRegion: it isn't one of this track. All else as `file_of`.
    """
    track = tracks.own_kept(person, track_id)
    other = None if match is None else tracks.own_ready(person, match)
    duration = (track.duration_ms or 0) / 1000
    end = min(start + USUAL_CLIP_SECONDS, duration) if end is None else end
    if not 0 <= start < end <= duration + 0.05 or end - start > _clips().MAX_SECONDS:
        raise InvalidRegion
    _at_hand(track)
    cut_db = 0.0 if other is None else _clips().cut_db(track.loudness_lufs, other.loudness_lufs)
    region = {"start_ms": round(start * 1000), "end_ms": round(end * 1000)}
    try:
        made = _clips().cut(
            reader(track.master_key), track.master_bytes or 0, track.master_format, cut_db=cut_db, **region
        )
    except FileNotFoundError:
        raise MasterGone from None
    except AudioUnreadable:
        raise InvalidRegion from None
    return made, made.encoded(output)


# --- ZIP -------------------------------------------------------------------------------------------------------------


def archive(*, person: User, track_ids: Iterable[UUID], wanted: Sequence[str]) -> File:
    """The tracks, each with its recipe in a folder of its own. `wanted` is of master, flac, mp3.

    What can't be sent at once is told in a text file instead: nobody waits hours for a ZIP. Whatever is read is read
    while it is sent.

    :raises NotFound: one of them is not there, or out of reach. :raises TrackNotReady: none can be sent.
    """
    chosen = _chosen(person, list(dict.fromkeys(track_ids)))
    zipped, missing = ZipStream(), []
    for track in chosen:
        missing += _add(zipped, track, wanted)
    if missing:
        zipped.add(_told(missing).encode(), COLD_LIST)
    name = naming.stem(chosen[0]) if len(chosen) == 1 else f"neo-apex_{len(chosen)}-songs_{_day(chosen)}"
    return File(f"{name}.zip", "application/zip", blocks=iter(zipped))


def _chosen(person: User, track_ids: list[UUID]) -> list[Track]:
    chosen = Track.objects.within_reach_of(person).filter(pk__in=track_ids[:MAX_TRACKS])
    found = chosen.select_related("generation", "person")
    by_id = {track.pk: track for track in found}
    if len(by_id) < len(track_ids):
        raise NotFound
    kept = [by_id[track_id] for track_id in track_ids if by_id[track_id].state == TrackState.READY]
    kept = [track for track in kept if track.purged_at is None and track.trashed_at is None]
    if not kept:
        raise TrackNotReady
    return kept


def _add(zipped: ZipStream, track: Track, wanted: Sequence[str]) -> list[str]:
    """Puts the track's files in line, and says what can't be sent."""
    folder, missing = naming.stem(track), []
    zipped.add(recipes.as_file(track), f"{folder}/recipe.json")
    zipped.add(lineage.as_file(track.person, track.pk), f"{folder}/lineage.json")
    for kind in dict.fromkeys(track.master_format if kind == "master" else kind for kind in wanted):
        if kind not in formats(track):
            continue
        try:
            _check(track, kind)
        except (MasterIsCold, MasterGone, NoSuchFormat) as error:
            missing.append(f"{naming.file_name(track, kind)}: {error.message}")
        else:
            zipped.add(_later(track, kind), f"{folder}/{naming.file_name(track, kind)}")
    return missing


def _check(track: Track, kind: str) -> None:
    """Whether it is there: afterwards, in the middle of a ZIP, it is too late to say so."""
    if kind == "flac" and track.master_format != "flac":
        _at_hand(track)
        _samples_for_flac(track)
    elif _is_preview(track, kind):
        _facts(track.preview_key)
    else:
        _at_hand(track)


def _facts(key: str) -> None:
    try:
        default_storage().facts(key)
    except FileNotFoundError:
        raise MasterGone from None


def _later(track: Track, kind: str) -> Iterator[bytes]:
    member = _file(track, kind)
    if member.opened is None:
        yield from member.blocks
        return
    part = member.opened.slice(0, member.opened.size_bytes)
    try:
        yield from part
    finally:
        part.close()


def _told(missing: list[str]) -> str:
    head = _(
        "These files are not in the ZIP. Ask for cold masters on their pages, and download them when they are back."
    )
    return "\n".join([str(head), "", *missing, ""])


def _day(chosen: list[Track]) -> str:
    latest: datetime = max(track.generation.created_at for track in chosen)
    return f"{latest:%Y-%m-%d}"


def _clips() -> ModuleType:
    """Loaded on the first cut: it brings decoders that most processes never need."""
    return import_module("studio.media.clips")


def _encoder() -> ModuleType:
    """As `_clips`."""
    return import_module("studio.media.flac")
