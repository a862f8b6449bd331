"""People, generations and tracks for tests, in any state, with the money that belongs to it."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from ledger import operations as ledger
from ledger.models import Quota
from studio import recipes, transitions
from studio.models import Generation, Track, User
from studio.states import GenerationState, TrackState

PROMPT = "A slow waltz for upright piano and rain, sung close to the microphone"
TAGS = ["indie folk", "acoustic guitar", "warm", "female vocals"]
LYRICS = "[Verse]\nThe kettle hums before the day begins\nYour coat still keeps the colour of the rain"
PRICES = {1: 75_000, 2: 112_500}
FINAL = (GenerationState.READY, GenerationState.FAILED, GenerationState.CANCELLED)
NEVER_SENT = (GenerationState.QUEUED,)


def ada() -> User:
    return _person("ada@example.com")


def ben() -> User:
    return _person("ben@example.com")


def _person(email: str) -> User:
    return User.objects.filter(email=email).first() or User.objects.create_user(email)


def freeze(person: User, *, frozen: bool = True) -> None:
    Quota.objects.update_or_create(person=person, defaults={"frozen": frozen})


def make_recipe(**inputs: Any) -> dict[str, Any]:
    """A whole recipe in our names; described by a prompt unless told otherwise."""
    return {
        "prompt": PROMPT,
        "tags": None,
        "lyrics": None,
        "vibe_strength": 2.0,
        "balance_strength": 0.7,
        "bpm": "auto",
        "seed": 4_242_424_242_424_242_424,
        "num_songs": 1,
        "output_format": "wav",
        "output_bit_rate": None,
    } | inputs


def make_generation(
    *,
    person: User | None = None,
    state: str = GenerationState.QUEUED,
    recipe: dict[str, Any] | None = None,
    **fields: Any,
) -> Generation:
    """A generation as if it had come to `state` by itself: its times are set, its price held, charged or given back."""
    recipe = make_recipe() | (recipe or {})
    now = timezone.now()
    sent = state not in NEVER_SENT
    songs = recipe["num_songs"]
    values: dict[str, Any] = {
        "person": person or ada(),
        "endpoint": "text-to-music",
        "state": state,
        "recipe": recipe,
        "seed": recipe["seed"],
        "num_songs": songs,
        "cost_micros": PRICES[songs],
        "submit_started_at": now - timedelta(seconds=42) if sent else None,
        "started_at": now - timedelta(seconds=41) if sent else None,
        "finished_at": now if state in FINAL else None,
    }
    generation = Generation.objects.create(**values | fields)
    _book(generation)
    transitions.record(generation, "job_queued", state=GenerationState.QUEUED)
    if sent:
        transitions.record(generation, transitions.EVENTS[GenerationState(state)], state=state)
    return generation


def _book(generation: Generation) -> None:
    reference = generation.hold_reference
    ledger.hold(
        person=generation.person,
        amount_micros=generation.cost_micros,
        reference=reference,
        label=generation.endpoint,
    )
    if generation.state in (GenerationState.FAILED, GenerationState.CANCELLED):
        ledger.release(reference=reference)
    elif generation.state in (GenerationState.INGESTING, GenerationState.READY):
        ledger.charge(reference=reference, amount_micros=generation.cost_micros)
        generation.charged_micros = generation.cost_micros
        generation.save(update_fields=["charged_micros"])


def make_track(generation: Generation, *, variation: int = 0, state: str = TrackState.READY, **fields: Any) -> Track:
    """A track of a generation; a READY one has all that a player needs but the bytes."""
    values: dict[str, Any] = {
        "person": generation.person,
        "generation": generation,
        "variation": variation,
        "state": state,
        "title": generation.recipe["prompt"] or "Indie folk, acoustic guitar",
        "source_url": "https://v3.fal.media/files/song.wav",
        **recipes.words_of(generation),
    }
    track = Track(**values | fields)
    if state == TrackState.READY:
        track.ready_at = timezone.now()
        track.duration_ms = track.duration_ms or 95_000
        track.master_bytes = track.master_bytes or 16_777_294
        track.master_format = "wav"
        track.master_key = f"masters/{track.pk}.wav"
        track.preview_key = f"previews/{track.pk}.mp3"
        track.peaks_key = f"peaks/{track.pk}.256.dat"
        track.sample_rate, track.channels, track.loudness_lufs = 44_100, 2, -14.2
    track.save(force_insert=True)
    return track


def make_song(
    *, person: User | None = None, songs: int = 2, recipe: dict[str, Any] | None = None, **fields: Any
) -> Generation:
    """A finished generation with all its tracks."""
    wanted = (recipe or {}) | {"num_songs": songs}
    generation = make_generation(person=person, state=GenerationState.READY, recipe=wanted, **fields)
    for variation in range(songs):
        make_track(generation, variation=variation)
    return generation
