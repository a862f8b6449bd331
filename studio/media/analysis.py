"""What is learnt from a song's samples while they pass: preview, peaks, loudness, duration, silence."""

from collections.abc import Iterator
from itertools import chain
from types import TracebackType
from typing import Self

from studio.media import preview
from studio.media.errors import AudioEmpty, SourceTooLarge
from studio.media.loudness import Loudness
from studio.media.pcm import Pcm
from studio.media.peaks import Peaks
from studio.media.stage import Stage
from studio.media.storage import Sink

# A small file can decode to days of silence; no song is this long.
MAX_SECONDS = 6 * 3600
_QUEUED_BLOCKS = 16


class Analysis:
    """Listens to one song; the preview is encoded in a thread meanwhile, the cheap measurements are made at once."""

    def __init__(self, preview_sink: Sink) -> None:
        self.sample_rate = 0
        self.channels = 0
        self.frames = 0
        self.silent = True
        self._preview_sink = preview_sink
        self._meters: tuple[Peaks, Loudness] | None = None
        # Begun before anybody can call start(), or a decoder that is late could begin it after everything has ended.
        self._encoding: Stage[Pcm] = Stage("preview", self._encode, depth=_QUEUED_BLOCKS)

    def start(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        self._meters = Peaks(sample_rate), Loudness(sample_rate, channels)

    def add(self, samples: Pcm, *, heard: bool) -> None:
        peaks, loudness = self._started()
        self.frames += len(samples)
        if self.frames > MAX_SECONDS * self.sample_rate:
            raise SourceTooLarge(f"more than {MAX_SECONDS} s of audio")
        self.silent = self.silent and not heard
        self._encoding.put(samples)
        peaks.add(samples)
        loudness.add(samples)

    def end(self) -> None:
        """Says that no samples follow, so that the encoder ends while others still work."""
        self._encoding.end()

    def finish(self) -> tuple[bytes, float | None]:
        """Waits for the preview; gives the peaks file and the loudness. Raises AudioEmpty if there was no sample."""
        peaks, loudness = self._started()
        self._encoding.finish()
        return peaks.finish(), loudness.finish()

    @property
    def duration_ms(self) -> int:
        return round(self.frames * 1000 / self.sample_rate)

    def _encode(self, blocks: Iterator[Pcm]) -> None:
        first = next(blocks, None)
        if first is not None:
            # start() has been called by now: it comes before the first block.
            rate, channels = self.sample_rate, self.channels
            preview.encode(chain([first], blocks), self._preview_sink, sample_rate=rate, channels=channels)

    def _started(self) -> tuple[Peaks, Loudness]:
        if self._meters is None:
            raise AudioEmpty("no samples")
        return self._meters

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._encoding.__exit__(kind, error, trace)
