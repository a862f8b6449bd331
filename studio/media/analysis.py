"""What is learnt from a song's samples while they pass: preview, peaks, loudness, duration, silence."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Self

from django.conf import settings

from studio.media import preview
from studio.media.errors import AudioEmpty, SourceTooLong
from studio.media.loudness import Loudness
from studio.media.pcm import Pcm
from studio.media.peaks import OVERVIEW_SAMPLES_PER_PIXEL, Peaks, coarser
from studio.media.stage import Stage
from studio.media.storage import Sink
from studio.media.true_peak import TruePeak

_QUEUED_BLOCKS = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """Both waveforms are files of audiowaveform's; what silence has none of is None."""

    waveform: bytes
    overview: bytes
    loudness_lufs: float | None
    true_peak_dbtp: float | None


class Analysis:
    """Listens to one song; the preview is encoded in a thread meanwhile, the cheap measurements are made at once."""

    def __init__(self, preview_sink: Sink) -> None:
        self.sample_rate = 0
        self.channels = 0
        self.frames = 0
        self.silent = True
        self._preview_sink = preview_sink
        self._meters: tuple[Peaks, Loudness, TruePeak] | None = None
        self._max_frames = 0
        # Begun before anybody can call start(), or a decoder that is late could begin it after everything has ended.
        self._encoding: Stage[Pcm] = Stage("preview", self._encode, depth=_QUEUED_BLOCKS)

    def start(self, sample_rate: int, channels: int) -> None:
        self.sample_rate, self.channels = sample_rate, channels
        # A small file can unpack to days of silence.
        self._max_frames = settings.NEOAPEX_MEDIA_MAX_SECONDS * sample_rate
        self._meters = Peaks(sample_rate), Loudness(sample_rate, channels), TruePeak(channels)

    def add(self, samples: Pcm, *, heard: bool) -> None:
        meters = self._started()
        self.frames += len(samples)
        if self.frames > self._max_frames:
            raise SourceTooLong(f"more than {settings.NEOAPEX_MEDIA_MAX_SECONDS} s of audio")
        self.silent = self.silent and not heard
        self._encoding.put(samples)
        for meter in meters:
            meter.add(samples)

    def end(self) -> None:
        """Says that no samples follow, so that the encoder ends while others still work."""
        self._encoding.end()

    def finish(self) -> Measured:
        """Waits for the preview. Raises AudioEmpty if there was no sample."""
        peaks, loudness, true_peak = self._started()
        self._encoding.finish()
        waveform = peaks.finish()
        overview = coarser(waveform, OVERVIEW_SAMPLES_PER_PIXEL)
        return Measured(waveform, overview, loudness.finish(), true_peak.finish())

    @property
    def duration_ms(self) -> int:
        return round(self.frames * 1000 / self.sample_rate)

    def _encode(self, blocks: Iterator[Pcm]) -> None:
        first = next(blocks, None)
        if first is not None:
            # start() has been called by now: it comes before the first block.
            rate, channels = self.sample_rate, self.channels
            preview.encode(chain([first], blocks), self._preview_sink, sample_rate=rate, channels=channels)

    def _started(self) -> tuple[Peaks, Loudness, TruePeak]:
        if self._meters is None:
            raise AudioEmpty("no samples")
        return self._meters

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._encoding.__exit__(kind, error, trace)
