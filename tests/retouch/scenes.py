"""A retouch on its way, step by step, without a worker."""

from typing import Any

from django.utils import timezone

from studio import dispatch, retouches, settling
from studio.fal.errors import GenerationFailed
from studio.models import Generation, Retouch, Take, Track, User
from tests.retouch.conftest import keep, noise, wav

SECTION = {"start": 8.0, "end": 12.0}
WORDS: dict[str, Any] = {"section": SECTION, "tags": ["folk"], "lyrics": "one\ntwo"}


def begun(person: User, track: Track, **inputs: Any) -> Retouch:
    return retouches.start(person=person, track_id=track.pk, inputs=WORDS | inputs)[0]


def last_take(retouch: Retouch) -> Take:
    return retouch.takes.select_related("generation").latest("created_at")


def sent(take: Take) -> Generation:
    assert dispatch.dispatch() == 1
    generation = Generation.objects.get(pk=take.pk)
    assert generation.request_id, generation.reason_message
    return generation


def delivered(take: Take, *, audio: bytes | None = None) -> Track:
    """The take as fal made it, saved and ready to be heard."""
    generation = sent(take)
    output = {"audio": [{"url": "https://v3.fal.media/files/mock/a.wav"}], "seed": generation.seed}
    settling.settle(generation.pk, output, request_id=generation.request_id)
    track = Track.objects.get(generation=generation)
    Track.objects.filter(pk=track.pk).update(
        state="READY", ready_at=timezone.now(), duration_ms=20_000, master_bytes=9, master_format="wav",
        master_key=f"masters/{track.pk}.wav", preview_key=f"previews/{track.pk}.mp3",
        peaks_key=f"peaks/{track.pk}.256.dat", loudness_lufs=-12.0,
    )  # fmt: skip
    track.refresh_from_db()
    keep(track, audio or wav(noise()))
    settling.conclude(generation.pk)
    return track


def failed(take: Take) -> Generation:
    generation = sent(take)
    settling.settle(generation.pk, GenerationFailed("no"), request_id=generation.request_id)
    generation.refresh_from_db()
    assert generation.state == "FAILED"
    return generation


def retried(person: User, retouch: Retouch, reason: str = "GLITCH", **more: Any) -> Take:
    retouches.retry(person=person, retouch_id=retouch.pk, reason=reason, **more)
    return last_take(retouch)
