"""What web processes and workers do to a song, in a form that may be killed and then repeated to its end."""

from contextlib import ExitStack, suppress
from decimal import Decimal
from uuid import UUID

from studio import dispatch, generations, people, settling, tracks
from studio.errors import AlreadyFinal
from studio.fal.answers import generation_failed
from studio.fal.errors import Said
from studio.media.ingest import Ingested
from studio.media.storage import default_storage, master_key, peaks_key, preview_key
from studio.models import Generation, User
from tests.studio.people import DESCRIBED, two_songs
from webhooks import deliveries


def act(name: str, *, person_id: int, generation_id: UUID | None) -> None:
    person = User.objects.get(pk=person_id)
    if name == "start":
        generations.start(person=person, inputs=DESCRIBED | {"num_songs": 2}, idempotency_key="once")
    elif name == "deactivate":
        people.deactivate(person, author=person, reason="left")
    elif generation_id is not None:
        _act_on(Generation.objects.get(pk=generation_id), name)


def _act_on(song: Generation, name: str) -> None:
    if name == "succeed":
        settling.settle(song.pk, two_songs(), request_id=song.request_id)
    elif name == "fail":
        billed = generation_failed(Said(500, billable_units=Decimal("1.5")), None)
        settling.settle(song.pk, billed, request_id=song.request_id)
    elif name == "conclude":
        settling.conclude(song.pk)
    elif name == "fetch":
        for track in song.tracks.order_by("variation"):
            tracks.fetch(track.pk)
    elif name == "deliver":
        deliveries.process_waiting()
    elif name == "dispatch":
        dispatch.dispatch()
    elif name == "fetch again":
        tracks.fetch_again(person=song.person, track_id=song.tracks.earliest("variation").pk)
    elif name == "cancel":
        with suppress(AlreadyFinal):
            generations.cancel(person=song.person, generation_id=song.pk)
    else:
        raise ValueError(name)


def ingest(source_url: str, *, track_id: UUID) -> Ingested:
    """In place of the real one, with nothing to fetch: the same files in the same order."""
    keys = master_key(track_id, "wav"), preview_key(track_id), peaks_key(track_id, 256), peaks_key(track_id, 4096)
    with ExitStack() as stack:
        sinks = [stack.enter_context(default_storage().sink(key)) for key in keys]
        for sink in sinks:
            sink.write(source_url.encode())
            sink.seal()
        for sink in reversed(sinks):
            sink.commit()
    facts = {"bytes": 9, "sha256": "", "duration_ms": 9, "sample_rate": 44_100, "channels": 2}
    measured = {"loudness_lufs": None, "true_peak_dbtp": None, "silent": False}
    return Ingested("wav", *keys, **(facts | measured))  # type: ignore[arg-type] # as they are
