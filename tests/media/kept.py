"""A kept file in memory that counts what is read of it, and decoding to compare with."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

WHEN = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Kept:
    """Opened by calling it, read by ranges with `read`."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.size_bytes = len(body)
        self.modified_at = WHEN
        self.etag = '"as-stored"'
        self.reads: list[tuple[int, int]] = []
        self.closed = 0

    def __call__(self) -> "Kept":
        return self

    def read(self, start: int, end: int) -> bytes:
        self.reads.append((start, end))
        return self.body[start:end]

    def slice(self, start: int, end: int) -> Iterator[bytes]:
        yield from (self.read(at, min(at + 1000, end)) for at in range(start, end, 1000))

    def close(self) -> None:
        self.closed += 1

    @property
    def bytes_read(self) -> int:
        return sum(min(end, self.size_bytes) - start for start, end in self.reads)


def decoded(body: bytes, kind: str | None = None) -> NDArray[Any]:
    """A row for each frame."""
    with av.open(io.BytesIO(body), "r", format=kind) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        channels = container.streams.audio[0].channels
    rows = np.concatenate(frames, axis=1)
    return rows.reshape(-1, channels) if rows.shape[0] == 1 else rows.T


def told_by(body: bytes) -> dict[str, str]:
    """What a player would show, its names in upper case."""
    with av.open(io.BytesIO(body), metadata_errors="strict") as container:
        found = {**container.metadata, **container.streams.audio[0].metadata}
    return {name.upper(): value for name, value in found.items()}
