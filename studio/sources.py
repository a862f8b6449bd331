"""The audio that something is made from: whether a track may be used, and the address at which fal finds it."""

import ipaddress
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from studio import restores, tracks
from studio.errors import MasterIsCold, Problem, SourceTooLarge, TrackHidden, TrackInTrash
from studio.fal.client import UPLOAD_MAX_BYTES
from studio.fal.errors import NotAccepted, Refused, Said, Unreachable, UploadRefused, WhoseFault
from studio.fal.interface import FalClientInterface
from studio.media import archive
from studio.media.errors import HouseFault
from studio.media.sniff import AUDIO_TYPES
from studio.media.storage import Facts, default_storage
from studio.models import Generation, Track, User
from studio.states import MasterStorage, SourceAudio

# S3 signs for no longer.
LONGEST_LINK_SECONDS: Final = 7 * 24 * 3600
AT_HAND: Final = (MasterStorage.STANDARD, MasterStorage.RESTORED)


class SourceGone(Refused):
    code = "source_gone"
    default_message = "The audio of the track that this is made from is missing in the studio's storage."
    default_hint = "Ask an admin of the studio to look for it."


class SourceWentCold(Refused):
    code = "source_went_cold"
    default_message = "The master that this is made from went to cold storage while it waited."
    default_hint = "Ask the master back first, or have it made from the MP3."


class SourceOutOfReach(NotAccepted):
    """Nothing has left the house: it may be tried again."""

    code = "source_out_of_reach"
    whose: WhoseFault = "us"
    default_message = "The studio could not hand the track's audio to fal.ai."
    default_hint = "Try again in a few minutes."


# --- Choosing --------------------------------------------------------------------------------------------------------


def usable(person: User, track_id: UUID, audio: str = SourceAudio.MASTER) -> Track:
    """The person's track, if something can be made from its master, or from its MP3 as they wish.

    :raises NotFound, TrackNotReady, TrackInTrash, TrackDeleted: as `tracks.own_kept`.
    :raises TrackHidden: nobody has accepted it. :raises MasterIsCold: it has to be asked back first.
    :raises SourceTooLarge: fal would not take it. :raises MasterGone, HouseFault: as `restores.look`.
    """
    track = tracks.own_kept(person, track_id)
    if track.hidden:
        raise TrackHidden
    if audio == SourceAudio.MASTER:
        if restores.look(track).master_storage not in AT_HAND:
            raise MasterIsCold
        if (track.master_bytes or 0) > UPLOAD_MAX_BYTES and _link(track.master_key) is None:
            raise SourceTooLarge
    return track


def hold_still(track: Track) -> None:
    """Inside the transaction that derives from it: until then it is neither trashed nor hidden.

    :raises TrackHidden, TrackInTrash: somebody was faster.
    """
    now = Track.objects.select_for_update(no_key=True).get(pk=track.pk)
    if now.hidden:
        raise TrackHidden
    if now.trashed_at is not None:
        raise TrackInTrash


def foreign_address(recipe: Any) -> Iterator[Problem]:
    """An address of audio that came with the inputs: what something is made from is always a track."""
    if recipe.audio_url is not None:
        hint = _("Leave it out: the audio is the track's own.")
        yield Problem("unknown_field", _("Source audio: not an input that you give"), hint, "audio_url")


# --- Handing over ----------------------------------------------------------------------------------------------------


def placed(recipe: Any, generation: Generation, client: FalClientInterface) -> Any:
    """The input with the address of its source, good from now on; what has no source stays as it is.

    :raises SourceOutOfReach: try again later. :raises Refused: there is nothing to be handed over.
    """
    if generation.source is None or not hasattr(recipe, "at"):
        return recipe
    return recipe.at(address(generation.source, generation.source_audio, client))


def address(track: Track, audio: str, client: FalClientInterface) -> str:
    """Where fal fetches the audio: a link into our bucket, or a copy that is put on fal's own server for it."""
    is_master = audio == SourceAudio.MASTER
    key = track.master_key if is_master else track.preview_key
    kind = track.master_format if is_master else "mp3"
    try:
        facts = default_storage().facts(key)
        if archive.whereabouts(facts).place not in AT_HAND:
            raise SourceWentCold
        return _link(key) or _upload(key, kind, facts, client, name=f"{track.pk}.{kind}")
    except FileNotFoundError:
        raise SourceGone from None
    except HouseFault as fault:
        raise SourceOutOfReach(said=Said(raw=fault.code)) from fault


def _link(key: str) -> str | None:
    """A link that outlives our line and fal's own, where fal can follow it."""
    if settings.NEOAPEX_SOURCE_BY == "upload":
        return None
    seconds = min(settings.NEOAPEX_QUEUE_TIMEOUT + settings.NEOAPEX_LOST_AFTER, LONGEST_LINK_SECONDS)
    url = default_storage().fetch_url(key, seconds)
    return url if url and (settings.NEOAPEX_SOURCE_BY == "link" or is_public(url)) else None


def is_public(url: str) -> bool:
    """Whether a stranger on the Internet may find what lies there, as far as its address tells."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or "." not in host.strip("."):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return not host.endswith((".local", ".internal", ".localhost", ".lan"))


def _upload(key: str, kind: str, facts: Facts, client: FalClientInterface, *, name: str) -> str:
    """The client takes the file as a whole, so this is as much memory as the file is large: 100 MiB at most."""
    if facts.size_bytes > UPLOAD_MAX_BYTES:
        raise UploadRefused("The audio file is too large to send to fal.ai.", hint="Use a shorter track.", whose="you")
    data = b"".join(default_storage().open_range(key))
    try:
        return client.upload(data, content_type=AUDIO_TYPES[kind], file_name=name)
    except Unreachable as error:
        raise SourceOutOfReach(said=error.said, provider_failed=error.provider_failed, whose="fal") from error
