"""From a file's bytes to samples: our own reader for WAV, ffmpeg's by way of PyAV for everything else."""

import io
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import av
import av.error
import numpy as np

from studio.media import pcm, riff
from studio.media.containers import completeness
from studio.media.errors import AudioEmpty, AudioUnreadable, NotAudio, SourceTruncated
from studio.media.pcm import LAYOUTS, Pcm
from studio.media.stage import Stage
from studio.media.storage import Sink

DEMUXERS = {"flac": "flac", "ogg": "ogg", "mp3": "mp3", "m4a": "mov"}
# How far a decoder may stay behind the duration in the header: lossy ones cut their own delay and padding off.
_SLACK_SECONDS = {"flac": 0.0, "ogg": 0.25, "mp3": 0.25, "m4a": 0.25}
_QUEUED_BLOCKS = 16
_READ_BYTES = 64 * 1024
# Covers and tags come before the sound, and decoders hold them in memory; beyond this they are no song's.
MAX_PREAMBLE_BYTES = 32 * 1024 * 1024


class Listener(Protocol):
    """Who gets the samples: start() once before the first add()."""

    def start(self, sample_rate: int, channels: int) -> None: ...

    def add(self, samples: Pcm, *, heard: bool) -> None: ...


class Decoder(Protocol):
    """Fed with the whole file in order; finish() raises unless all of it was there and could be read."""

    def feed(self, block: bytes) -> None: ...

    def finish(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def decoder_for(kind: str, listener: Listener, master: Sink) -> Decoder:
    """The decoder for what sniff() found; `master` is the sink that gets the same bytes before they are fed here."""
    match kind:
        case "wav":
            return WavDecoder(listener)
        case "m4a":
            return FileDecoder(kind, listener, master)
        case _:
            return StreamDecoder(kind, listener)


class WavDecoder:
    """Decodes in the feeder's own thread: there is next to nothing to do."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._reader = riff.WavReader()
        self._rest = b""
        self._started = False

    def feed(self, block: bytes) -> None:
        for part in self._reader.feed(block):
            self._samples(part)

    def finish(self) -> None:
        self._reader.finish()

    def _samples(self, part: memoryview) -> None:
        wav = self._reader.format
        if wav is None:
            raise AudioUnreadable("data before fmt")
        if not self._started:
            self._listener.start(wav.sample_rate, wav.channels)
            self._started = True
        data = memoryview(self._rest + part.tobytes()) if self._rest else part
        whole = len(data) - len(data) % wav.frame_bytes
        self._rest = data[whole:].tobytes()
        if whole:
            samples, heard = pcm.from_wav(data[:whole], wav)
            self._listener.add(samples, heard=heard)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rest = b""


class StreamDecoder:
    """Decodes in a thread of its own, because PyAV asks for bytes where we are given them."""

    def __init__(self, kind: str, listener: Listener) -> None:
        self._kind = kind
        self._listener = listener
        self._completeness = completeness(kind)
        self._fed_bytes = 0
        self._sounds = False
        self._stage: Stage[bytes] = Stage(f"decode-{kind}", self._work, depth=_QUEUED_BLOCKS)

    def feed(self, block: bytes) -> None:
        self._fed_bytes += len(block)
        if self._fed_bytes > MAX_PREAMBLE_BYTES and not self._sounds:
            raise AudioUnreadable(f"no sound in {self._fed_bytes} bytes")
        self._completeness.feed(block)
        self._stage.put(block)

    def start(self, sample_rate: int, channels: int) -> None:
        self._sounds = True
        self._listener.start(sample_rate, channels)

    def add(self, samples: Pcm, *, heard: bool) -> None:
        self._listener.add(samples, heard=heard)

    def finish(self) -> None:
        self._completeness.finish()
        self._stage.finish()

    def _work(self, blocks: Iterator[bytes]) -> None:
        decode(_Blocks(blocks), self._kind, self)

    def __enter__(self) -> Self:
        self._stage.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stage.__exit__(kind, error, trace)


class FileDecoder:
    """Decodes what the sink has got once all of it is there: an m4a may keep its index at the end."""

    def __init__(self, kind: str, listener: Listener, master: Sink) -> None:
        self._kind = kind
        self._listener = listener
        self._master = master
        self._completeness = completeness(kind)

    def feed(self, block: bytes) -> None:
        self._completeness.feed(block)

    def finish(self) -> None:
        self._completeness.finish()
        with self._master.read_back() as file:
            decode(file, self._kind, self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class _Blocks(io.RawIOBase):
    """An iterator of blocks as a file that cannot seek."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._block:
            self._block = memoryview(next(self._blocks, b""))
        count = min(len(buffer), len(self._block))
        buffer[:count] = self._block[:count]
        self._block = self._block[count:]
        return count


def decode(file: BinaryIO | io.RawIOBase, kind: str, listener: Listener) -> None:
    """Decodes the whole of `file` as `kind` and nothing else; ffmpeg is never given a name or an address.

    Raises AudioUnreadable, NotAudio, AudioEmpty, SourceTruncated, and what reading or listening raises.
    """
    try:
        with av.open(
            file, mode="r", format=DEMUXERS[kind], buffer_size=_READ_BYTES, metadata_errors="replace"
        ) as container:
            _decode_audio(container, kind, listener)
    except av.error.FFmpegError as error:
        raise AudioUnreadable(f"{kind}: {error}") from error


def _decode_audio(container: av.container.InputContainer, kind: str, listener: Listener) -> None:
    if not container.streams.audio:
        raise NotAudio(f"{kind} without an audio stream")
    stream = container.streams.audio[0]
    if kind == "flac":
        # Without this the decoder goes by the checksums of frame headers only, and plays damaged sound.
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    conversion: _Conversion | None = None
    for frame in container.decode(stream):
        if conversion is None:
            conversion = _Conversion(frame, listener)
        conversion.add(frame)
    if conversion is None:
        raise AudioEmpty(f"{kind} without a frame")
    conversion.flush()
    if stream.duration is not None and stream.time_base is not None:
        promised_seconds = float(stream.duration * stream.time_base)
        if conversion.seconds < promised_seconds - _SLACK_SECONDS[kind]:
            raise SourceTruncated(f"{conversion.seconds:.2f} of {promised_seconds:.2f} s")


class _Conversion:
    """Brings a decoder's frames to 16-bit rows, and insists that they stay of one kind."""

    def __init__(self, first: av.AudioFrame, listener: Listener) -> None:
        self._channels = first.layout.nb_channels
        self._rate = first.sample_rate
        if self._channels not in LAYOUTS:
            raise AudioUnreadable(f"{self._channels} channels")
        self._listener = listener
        self._frames = 0
        self._resampler = av.AudioResampler(format="s16", layout=first.layout, rate=self._rate)
        listener.start(self._rate, self._channels)

    @property
    def seconds(self) -> float:
        return self._frames / self._rate

    def add(self, frame: av.AudioFrame) -> None:
        if (frame.sample_rate, frame.layout.nb_channels) != (self._rate, self._channels):
            raise AudioUnreadable("sample rate or channels change in the middle")
        self._frames += frame.samples
        # The resampler would bring the faintest noise of 24 bits down to nothing: listen before it.
        heard = bool(frame.to_ndarray().any())
        self._hand_on(self._resampler.resample(frame), heard=heard)

    def flush(self) -> None:
        self._hand_on(self._resampler.resample(None), heard=False)

    def _hand_on(self, frames: list[av.AudioFrame], *, heard: bool) -> None:
        for frame in frames:
            samples = frame.to_ndarray().astype(np.int16, copy=False).reshape(-1, self._channels)
            self._listener.add(samples, heard=heard)
