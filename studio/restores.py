"""Masters in cold storage: asked back once, told of when they are there, and cold again afterwards."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from studio import storage_costs, tracks, transitions
from studio.errors import MasterGone, NoRestore, StaleTransition
from studio.media import archive, lifecycle
from studio.media.archive import RestoreRefused
from studio.media.errors import HouseFault
from studio.media.storage import Listed, default_storage
from studio.models import Track, User
from studio.states import MasterStorage as Storage
from studio.states import RestoreTier

logger = logging.getLogger(__name__)

BATCH: Final = 50
PAGE: Final = 1000
# A restore that the bucket knows nothing of after so long was never asked for: the asker was killed, or not heard.
ASKED_IN_VAIN: Final = timedelta(minutes=5)
# To ask again and again for longer than this would be no help.
ASKED_FOR_TOO_LONG: Final = timedelta(days=2)
# Links end before the copy does.
LINK_SECONDS: Final = 900
_NEXT: Final = {
    Storage.STANDARD: Storage.GLACIER,
    Storage.GLACIER: Storage.RESTORING,
    Storage.RESTORED: Storage.GLACIER,
}
_FORGOTTEN: Final[dict[str, Any]] = {
    "restore_asked_at": None,
    "restore_tier": "",
    "restore_ready_by": None,
    "restored_until": None,
    "restore_told_at": None,
    "restore_seen_at": None,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A speed that a master can be asked back by."""

    tier: str
    micros: int
    is_usual: bool


def choices(track: Track) -> list[Choice]:
    """The cheapest first."""
    usual = settings.NEOAPEX_RESTORE_TIER
    size = track.master_bytes or 0
    found = [Choice(tier, storage_costs.restore_micros(size, tier), tier == usual) for tier in RestoreTier.values]
    return sorted(found, key=lambda choice: choice.micros)


# --- Looking ---------------------------------------------------------------------------------------------------------


def look(track: Track) -> Track:
    """Ask the storage where the master is, and write it down.

    :raises MasterGone: it is not there. :raises HouseFault: the storage can't be asked.
    """
    try:
        found = archive.whereabouts(default_storage().facts(track.master_key))
    except FileNotFoundError:
        raise MasterGone from None
    if track.master_storage == Storage.RESTORING and found.place == Storage.GLACIER:
        # Between a click and what comes of it the bucket knows of no restore yet: `follow` sees to it.
        return track
    _bring(track, Storage(found.place), found.until)
    if track.master_storage == Storage.RESTORED and track.restored_until != found.until:
        # Somebody has had the copy kept for longer, or for less long.
        Track.objects.filter(pk=track.pk, master_storage=Storage.RESTORED).update(restored_until=found.until)
        track.refresh_from_db()
    return track


def _bring(track: Track, to: Storage, until: datetime | None) -> None:
    """Along the ways that there are to what the bucket says. Whoever is faster has seen the same."""
    try:
        while track.master_storage != to:
            came_from = Storage(track.master_storage)
            step = to if to in transitions.MASTER[came_from] else _NEXT[came_from]
            _advance(track, step, until)
    except StaleTransition:
        track.refresh_from_db()


def _advance(track: Track, to: Storage, until: datetime | None) -> None:
    match to:
        case Storage.RESTORING:
            transitions.advance_master(track, to, **_FORGOTTEN | {"restore_asked_at": Now()})
        case Storage.RESTORED:
            with transaction.atomic():
                transitions.advance_master(track, to, restored_until=until)
                _show(track, to)
        case _:
            transitions.advance_master(track, to, **_FORGOTTEN)


def _show(track: Track, to: Storage) -> None:
    generation = track.generation
    transitions.record(generation, "job_progress", state=generation.state, track=str(track.pk), master=to)


# --- Asking back -----------------------------------------------------------------------------------------------------


def ask(*, person: User, track_id: UUID, tier: str = "") -> Track:
    """The person's master, asked back where it is cold. Only the first of many clicks asks for it.

    :raises NotFound, TrackNotReady, TrackInTrash, TrackDeleted: as `tracks.own_kept`.
    :raises NoRestore: the storage said no. :raises MasterGone, HouseFault: as `look`.
    """
    track = look(tracks.own_kept(person, track_id))
    if track.master_storage != Storage.GLACIER:
        return track
    tier = tier or settings.NEOAPEX_RESTORE_TIER
    ready_by = timezone.now() + storage_costs.TAKES[RestoreTier(tier)]
    wish = _FORGOTTEN | {"restore_asked_at": Now(), "restore_tier": tier, "restore_ready_by": ready_by}
    try:
        with transaction.atomic():
            # Committed before the bucket is asked: two askers would pay twice.
            transitions.advance_master(track, Storage.RESTORING, **wish)
            _show(track, Storage.RESTORING)
    except StaleTransition:
        track.refresh_from_db()
        return track
    _ask_bucket(track)
    return track


def _ask_bucket(track: Track) -> None:
    tier = track.restore_tier or settings.NEOAPEX_RESTORE_TIER
    try:
        archive.ask_back(track.master_key, tier=tier, days=settings.NEOAPEX_RESTORE_DAYS)
    except RestoreRefused as refusal:
        logger.warning("restore refused", extra={"track": str(track.pk), "code": refusal.detail})
        _bring(track, Storage.GLACIER, None)
        raise NoRestore from None
    except HouseFault as fault:
        # It may have been taken all the same; whether or not, `follow` finds out and asks again.
        logger.warning("restore in doubt", extra={"track": str(track.pk), "code": fault.code})
    else:
        logger.info("restore asked for", extra={"track": str(track.pk), "tier": tier})


def mark_seen(track: Track) -> None:
    """The person has been on the page: the notice has done its work."""
    Track.objects.filter(pk=track.pk, master_storage=Storage.RESTORED, restore_seen_at=None).update(
        restore_seen_at=Now()
    )


def notices(person: User) -> list[Track]:
    """Masters that came back and that their person has not been to see."""
    back = Track.objects.kept().filter(person=person, master_storage=Storage.RESTORED, restore_seen_at=None)
    return list(back.filter(trashed_at=None, restore_asked_at__isnull=False).order_by("restore_asked_at")[:BATCH])


# --- Following up ----------------------------------------------------------------------------------------------------


def follow() -> None:
    """One round: see what has become of restores, ask again where nobody was heard, tell people."""
    for track in _to_follow():
        try:
            _follow(track)
        except (HouseFault, MasterGone, NoRestore) as error:
            logger.warning("can't follow a restore", extra={"track": str(track.pk), "code": error.code})
    for track in _untold():
        _tell(track)


def _to_follow() -> Iterator[Track]:
    asked_back = Track.objects.kept().select_related("generation", "person")
    over = Q(master_storage=Storage.RESTORED, restored_until__lt=Now())
    rows = asked_back.filter(Q(master_storage=Storage.RESTORING) | over)
    yield from rows.order_by("restore_asked_at").iterator(chunk_size=BATCH)


def _follow(track: Track) -> None:
    look(track)
    if track.master_storage != Storage.RESTORING or track.restore_asked_at is None:
        return
    facts = archive.whereabouts(default_storage().facts(track.master_key))
    asked_since = timezone.now() - track.restore_asked_at
    if facts.place != Storage.GLACIER or asked_since < ASKED_IN_VAIN:
        return
    if asked_since > ASKED_FOR_TOO_LONG:
        _bring(track, Storage.GLACIER, None)
    else:
        _ask_bucket(track)


def _untold() -> list[Track]:
    back = Track.objects.kept().filter(master_storage=Storage.RESTORED, restore_told_at=None)
    asked = back.filter(restore_asked_at__isnull=False, restore_tier__gt="", person__is_active=True)
    return list(asked.select_related("generation", "person").order_by("restore_asked_at")[:BATCH])


def _tell(track: Track) -> None:
    """One mail. Should it not get out, the next round tries again."""
    mine = Track.objects.filter(pk=track.pk, master_storage=Storage.RESTORED)
    if not mine.filter(restore_told_at=None).update(restore_told_at=Now()):
        return
    base = settings.NEOAPEX_PUBLIC_URL or f"http://127.0.0.1:{settings.NEOAPEX_PORT}"
    text = render_to_string("studio/master_ready.txt", {"track": track, "address": f"{base}/tracks/{track.pk}/master/"})
    subject = _("Neo-Apex: a master is ready to download")
    try:
        EmailMessage(subject, text, to=[track.person.email]).send()
    except OSError as error:
        logger.warning("mail not sent", extra={"track": str(track.pk), "error": type(error).__name__})
        mine.update(restore_told_at=None)


# --- Every night -----------------------------------------------------------------------------------------------------


def read_storage() -> int:
    """Go through the bucket page by page and keep `master_storage` true. Says how many rows were moved."""
    storage = default_storage()
    if lifecycle.bucket_of(storage) is None:
        return 0
    listed, moved = storage.listed(lifecycle.MASTERS), 0
    while page := {found.key: found for found in islice(listed, PAGE)}:
        moved += _read_page(page)
    return moved


def _read_page(found: dict[str, Listed]) -> int:
    cold = {key for key, listed in found.items() if listed.storage_class in archive.COLD}
    warm = found.keys() - cold
    kept = Track.objects.kept().select_related("generation")
    moved = list(kept.filter(master_key__in=cold, master_storage=Storage.STANDARD))
    moved += kept.filter(master_key__in=warm).exclude(master_storage=Storage.STANDARD)
    for track in moved:
        _bring(track, Storage.GLACIER if track.master_key in cold else Storage.STANDARD, None)
    return len(moved)
