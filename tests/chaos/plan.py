"""What a run of chaos will do, drawn from its seed: who asks for what, what goes wrong with it, what is killed when."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Target = Literal["worker", "media", "child", "web", "beat", "redis", "postgres"]
Mood = Mapping[str, Any]

# What a song may meet: a weight, and the moods that it brings along, one for each of its submits.
CALM: Final[tuple[int, tuple[Mood, ...]]] = (70, ({},))
FATES: Final[tuple[tuple[int, tuple[Mood, ...]], ...]] = (
    CALM,
    # Its callback.
    (8, ({"webhook_lose": True},)),
    (6, ({"webhook_copies": 3},)),
    (6, ({"webhook_early": True},)),
    (4, ({"webhook_delay_seconds": 2.5},)),
    (3, ({"webhook_delay_seconds": 30},)),
    (3, ({"webhook_bad_signature": True},)),
    (3, ({"webhook_unknown_key": True},)),
    (3, ({"webhook_user_id": "another-customer"},)),
    (4, ({"webhook_timestamp_offset_seconds": -3600},)),
    (3, ({"webhook_timestamp_offset_seconds": 3600},)),
    (3, ({"webhook_payload_error": True},)),
    (2, ({"webhook_gateway_request_id": "a-second-try"},)),
    # The answer to its submit.
    *((1, ({"answer_status": status},)) for status in (400, 401, 402, 403, 404, 410, 422)),
    (1, ({"answer_status": 422, "as_text": True},)),
    (3, ({"answer_status": 429},)),
    (3, ({"answer_status": 429, "retry_after": 1}, {"answer_status": 429, "retry_after": 2})),
    (2, ({"answer_status": 429, "retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"},)),
    (2, ({"answer_status": 503, "nginx": True, "with_request_id": False},)),
    (2, ({"answer_status": 503},)),
    (2, ({"answer_status": 500},)),
    *((2, ({"answer_status": status, "accept_anyway": True},)) for status in (500, 502, 503, 504)),
    (2, ({"answer_status": 502, "nginx": True, "with_request_id": False, "accept_anyway": True},)),
    (3, ({"drop": "before"},)),
    (5, ({"drop": "after"},)),
    (3, ({"delay_seconds": 2.5},)),
    # Its life at fal.
    *((1, ({"fail": kind},)) for kind in ("validation_list", "validation_text", "content_policy_violation")),
    *((1, ({"fail": kind},)) for kind in ("internal_server_error", "generation_timeout", "runner_disconnected")),
    (2, ({"fail": "no_media_generated", "billable_units": 1.0},)),
    # Its file.
    (3, ({"file": "slow", "file_bytes_per_second": 150_000},)),
)
# A file that can't be read is fetched three times, which takes most of a minute.
SPOILED_FILES: Final[tuple[tuple[int, tuple[Mood, ...]], ...]] = tuple(
    (1, ({"file": fault},)) for fault in ("truncated", "cut", "wrong_length", "html", "empty", "missing", "endless")
)
# Those who cancel: what their song is doing when they do.
CANCELLED: Final[tuple[Mood, ...]] = (
    {},
    {"queue_seconds": 6},
    {"run_seconds": 6},
    {"run_seconds": 3, "cancel_running": "ignore"},
    {"hang": True},
)
# What any call may meet besides, by chance.
NOISE: Final[tuple[Mood, ...]] = (
    {"call": "status", "answer_status": 503, "chance": 0.08},
    {"call": "status", "drop": "before", "chance": 0.04},
    {"call": "result", "answer_status": 502, "nginx": True, "with_request_id": False, "chance": 0.08},
    {"call": "result", "answer_status": 500, "chance": 0.05},
    {"call": "result", "answer_status": 429, "retry_after": 1, "chance": 0.05},
    {"call": "cancel", "answer_status": 500, "chance": 0.15},
    {"call": "cancel", "drop": "after", "chance": 0.1},
    {"call": "file", "answer_status": 503, "chance": 0.04},
    {"call": "file", "drop": "before", "chance": 0.02},
)
FORGERIES: Final = frozenset(
    {"webhook_bad_signature", "webhook_unknown_key", "webhook_user_id", "webhook_timestamp_offset_seconds"}
)
KEYS_OUT_OF_REACH: Final[Mood] = {"call": "jwks", "answer_status": 503, "next": 1}
FOREVER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    songs: int
    people: int
    poor: int
    posting_seconds: float
    kills: int
    rotations: int
    fates: tuple[tuple[int, tuple[Mood, ...]], ...]


LONG: Final = Size(200, 10, 2, 90.0, 16, 1, FATES + SPOILED_FILES)
SHORT: Final = Size(30, 5, 1, 9.0, 5, 0, FATES)


@dataclass(frozen=True, slots=True)
class Song:
    """`moods` are for its first submits, in their order; it is posted `copies` times with one key."""

    number: int
    person: int
    at_seconds: float
    seed: int
    num_songs: int
    output_format: str
    copies: int
    moods: tuple[Mood, ...]
    cancel_after_seconds: float | None

    @property
    def key(self) -> str:
        return f"song {self.number}"

    @property
    def spoiled(self) -> bool:
        return any(mood.get("file") not in {None, "slow"} for mood in self.moods)

    @property
    def forged(self) -> bool:
        """No callback of its can be believed, however often it comes."""
        return any(FORGERIES & mood.keys() for mood in self.moods)


@dataclass(frozen=True, slots=True)
class Kill:
    at_seconds: float
    target: Target
    down_seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    size: Size
    songs: tuple[Song, ...]
    kills: tuple[Kill, ...]
    rotations: tuple[float, ...]
    noise: tuple[Mood, ...] = field(default=(*NOISE, KEYS_OUT_OF_REACH))

    def is_poor(self, person: int) -> bool:
        """Has the money for two songs and no more."""
        return person < self.size.poor


def draw(seed: int, size: Size) -> Plan:
    """The same seed and size give the same plan, always."""
    rng = random.Random(seed)
    songs = tuple(_song(rng, number, size) for number in range(size.songs))
    kills = tuple(sorted(_kills(rng, size), key=lambda kill: kill.at_seconds))
    rotations = tuple(sorted(rng.uniform(0, size.posting_seconds) for _ in range(size.rotations)))
    return Plan(seed, size, songs, kills, rotations)


def _song(rng: random.Random, number: int, size: Size) -> Song:
    cancel_after_seconds = rng.uniform(0.0, 5.0) if rng.random() < 0.12 else None
    weights = [weight for weight, _ in size.fates]
    [(_, moods)] = rng.choices(size.fates, weights)
    if cancel_after_seconds is not None:
        moods = (rng.choice(CANCELLED),)
    # Half a file of these can't be told from a short song; only the WAV says how long it should be.
    spoiled = any("file" in mood for mood in moods)
    return Song(
        number=number,
        person=rng.randrange(size.people),
        at_seconds=rng.uniform(0.0, size.posting_seconds),
        seed=rng.randrange(2**62) + number,
        num_songs=rng.choice((1, 1, 2)),
        output_format="wav" if spoiled else rng.choice(("wav", "wav", "wav", "flac", "mp3")),
        copies=rng.choice((1, 1, 1, 2, 3)),
        moods=moods,
        cancel_after_seconds=cancel_after_seconds,
    )


def _kills(rng: random.Random, size: Size) -> list[Kill]:
    """Every part once, and then more of them, the workers most."""
    targets: list[Target] = ["worker", "media", "web", "beat", "redis", "postgres"]
    targets += rng.choices(
        ("worker", "media", "child", "web", "beat", "redis", "postgres"), (3, 3, 3, 2, 1, 2, 2), k=100
    )
    return [
        Kill(rng.uniform(1.0, size.posting_seconds), target, rng.uniform(0.0, 3.0)) for target in targets[: size.kills]
    ]
