"""How loud a song is, as EBU R 128 has it: integrated loudness in LUFS.

ffmpeg's own filter measures it, fed through PyAV: 95 s of stereo cost 0.05 s, half of what an FFT of the same samples
does in numpy, and it is what others compare with.
"""

from fractions import Fraction

import av
from av.filter import Graph

from studio.media.pcm import LAYOUTS, Pcm

# What the filter says when no block of 400 ms was above the absolute gate.
GATE_LUFS = -70.0


class Loudness:
    """Fed with blocks in order; finish() gives LUFS, or None for what is too short or too quiet to have a loudness."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._layout = LAYOUTS[channels]
        self._rate = sample_rate
        self._frames = 0
        self._lufs: float | None = None
        self._graph = Graph()
        source = self._graph.add_abuffer(
            sample_rate=sample_rate, format="s16", layout=self._layout, time_base=Fraction(1, sample_rate)
        )
        meter = self._graph.add("ebur128", "metadata=1:framelog=quiet")
        sink = self._graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        self._graph.configure()

    def add(self, pcm: Pcm) -> None:
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts = self._frames
        self._frames += frame.samples
        self._graph.push(frame)
        self._read()

    def finish(self) -> float | None:
        self._graph.push(None)
        self._read()
        return self._lufs if self._lufs is not None and self._lufs > GATE_LUFS else None

    def _read(self) -> None:
        """Takes what the filter has ready: it repeats the audio in pieces that carry the measurement so far."""
        while True:
            try:
                measured = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            text = measured.metadata.get("lavfi.r128.I")
            if text is not None:
                self._lufs = float(text)
