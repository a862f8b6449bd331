"""What is learnt from a song's samples while they pass: preview, peaks, loudness, duration, silence."""

from contextlib import ExitStack
from functools import partial
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
        self._parts: tuple[Peaks, Loudness, Stage[Pcm]] | None = None
        self._stack = ExitStack()

    def start(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        work = partial(preview.encode, sink=self._preview_sink, sample_rate=sample_rate, channels=channels)
        encoding: Stage[Pcm] = self._stack.enter_context(Stage("preview", work, depth=_QUEUED_BLOCKS))
        self._parts = Peaks(sample_rate), Loudness(sample_rate, channels), encoding

    def add(self, samples: Pcm, *, heard: bool) -> None:
        peaks, loudness, encoding = self._started()
        self.frames += len(samples)
        if self.frames > MAX_SECONDS * self.sample_rate:
            raise SourceTooLarge(f"more than {MAX_SECONDS} s of audio")
        self.silent = self.silent and not heard
        encoding.put(samples)
        peaks.add(samples)
        loudness.add(samples)

    def end(self) -> None:
        """Says that no samples follow, so that the encoder ends while others still work."""
        self._started()[2].end()

    def finish(self) -> tuple[bytes, float | None]:
        """Waits for the preview; gives the peaks file and the loudness."""
        peaks, loudness, encoding = self._started()
        encoding.finish()
        return peaks.finish(), loudness.finish()

    @property
    def duration_ms(self) -> int:
        return round(self.frames * 1000 / self.sample_rate)

    def _started(self) -> tuple[Peaks, Loudness, Stage[Pcm]]:
        if self._parts is None:
            raise AudioEmpty("no samples")
        return self._parts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
