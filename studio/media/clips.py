"""Some seconds of a master to listen to: cut by range, levelled, faded, and never the whole of it."""

import io
import warnings
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Final, Literal

import av
import av.error
import numpy as np

from studio.media import pcm, preview
from studio.media.decode import DEMUXERS
from studio.media.errors import AudioUnreadable
from studio.media.pcm import Pcm
from studio.media.storage import reader
from studio.media.wavfile import Read, find_samples

with warnings.catch_warnings():
    # Its own business: a module that Python 3.13 no longer has, and programs for formats that it is not asked for.
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    warnings.filterwarnings("ignore", "Couldn't find ff", RuntimeWarning)
    from pydub import AudioSegment

AROUND_MS: Final = 2_000
FADE_MS: Final = 60
# Without what is around it. Longer parts are what the preview is for.
MAX_SECONDS: Final = 60
# What is further apart than this is not heard as the same song, level or not.
MAX_CUT_DB: Final = 24.0

_READ_BYTES: Final = 64 * 1024
# A decoder that begins in the middle needs what came just before: a reservoir of bits, an overlap.
_RUN_UP_SECONDS: Final = 1.0

Output = Literal["mp3", "wav"]


@dataclass(frozen=True, slots=True)
class Clip:
    """`start_ms` and `end_ms` are where in the song it lies, what is around the region included."""

    audio: Any
    start_ms: int
    end_ms: int

    def encoded(self, output: Output) -> bytes:
        return _wav(self.audio) if output == "wav" else _mp3(self.audio)


def cut(read: Read, size_bytes: int, kind: str, *, start_ms: int, end_ms: int, cut_db: float = 0.0) -> Clip:
    """The region with two seconds around it, faded in and out there, turned down by `cut_db`.

    `read` gives the bytes of the master from one place to another; it is asked for no more than the clip needs, and a
    header. Raises AudioUnreadable, and what reading raises.
    """
    first_ms, last_ms = max(0, start_ms - AROUND_MS), end_ms + AROUND_MS
    samples, rate = part(read, size_bytes, kind, first_ms, last_ms)
    if not len(samples):
        raise AudioUnreadable(f"nothing between {first_ms} and {last_ms} ms")
    audio = AudioSegment(data=samples.tobytes(), sample_width=2, frame_rate=rate, channels=samples.shape[1])
    if cut_db:
        audio = audio.apply_gain(-min(abs(cut_db), MAX_CUT_DB))
    # What begins with the song or ends with it needs no fade: there is nothing to be cut off.
    if first_ms > 0:
        audio = audio.fade_in(FADE_MS)
    if len(samples) >= _frame(last_ms, rate) - _frame(first_ms, rate):
        audio = audio.fade_out(FADE_MS)
    return Clip(audio, first_ms, first_ms + round(len(samples) * 1000 / rate))


def part(read: Read, size_bytes: int, kind: str, first_ms: int, last_ms: int) -> tuple[Pcm, int]:
    """The samples of a region just as they are, and their rate. Raises as `cut`."""
    cut_of = _wav_part if kind == "wav" else _decoded_part
    return cut_of(read, size_bytes, kind, first_ms, last_ms)


def parts_of(key: str, size_bytes: int, kind: str) -> Callable[[int, int], tuple[Pcm, int]]:
    """Reads a stored master from one millisecond to another. Raises as `cut`."""
    return partial(part, reader(key), size_bytes, kind)


def cut_db(own_lufs: float | None, other_lufs: float | None) -> float:
    """By how much to turn a song down so that it is no louder than another; what has no loudness stays as it is."""
    if own_lufs is None or other_lufs is None:
        return 0.0
    return min(max(own_lufs - other_lufs, 0.0), MAX_CUT_DB)


def _frame(ms: int, rate: int) -> int:
    return ms * rate // 1000


def _wav_part(read: Read, size_bytes: int, _kind: str, first_ms: int, last_ms: int) -> tuple[Pcm, int]:
    found = find_samples(read, size_bytes)
    wav = found.format
    span = found.span(_frame(first_ms, wav.sample_rate), _frame(last_ms, wav.sample_rate))
    data = read(*span) if span[0] < span[1] else b""
    return pcm.from_wav(data[: len(data) - len(data) % wav.frame_bytes], wav)[0], wav.sample_rate


def _decoded_part(read: Read, size_bytes: int, kind: str, first_ms: int, last_ms: int) -> tuple[Pcm, int]:
    """Of other formats the decoder is led to the place, and reads what it needs from there on."""
    try:
        with av.open(_Ranges(read, size_bytes), "r", format=DEMUXERS[kind], buffer_size=_READ_BYTES) as container:
            stream = container.streams.audio[0]
            rate = stream.sample_rate
            first, last = _frame(first_ms, rate), _frame(last_ms, rate)
            _go_to(container, stream, first_ms)
            parts = list(_between(_frames(container, stream), first, last))
            channels = min(stream.channels, 2)
    except (av.error.FFmpegError, IndexError) as error:
        raise AudioUnreadable(f"{kind}: {error}") from error
    return (np.concatenate(parts) if parts else np.zeros((0, channels), np.int16)), rate


def _go_to(container: av.container.InputContainer, stream: Any, first_ms: int) -> None:
    wanted = max(0.0, first_ms / 1000 - _RUN_UP_SECONDS)
    if wanted:
        # Where a file can't be searched it is decoded from its start.
        with suppress(av.error.FFmpegError):
            container.seek(round(Fraction(wanted) / stream.time_base), stream=stream)


def _frames(container: av.container.InputContainer, stream: Any) -> Iterator[tuple[int, Pcm]]:
    """Each frame as stereo or mono in 16 bits, and at which sample of the song it begins."""
    layout = "mono" if stream.channels == 1 else "stereo"
    # What comes before zero is an encoder's run-up, which the decoder leaves out by itself.
    origin = Fraction(max(stream.start_time or 0, 0)) * stream.time_base
    for frame in container.decode(stream):
        if frame.pts is None:
            raise AudioUnreadable("a frame without a time")
        resampler = av.AudioResampler(format="s16", layout=layout, rate=frame.sample_rate)
        at = round((frame.pts * frame.time_base - origin) * frame.sample_rate)
        for part in resampler.resample(frame):
            yield at, part.to_ndarray().astype(np.int16, copy=False).reshape(-1, 1 if layout == "mono" else 2)


def _between(frames: Iterator[tuple[int, Pcm]], first: int, last: int) -> Iterator[Pcm]:
    for at, samples in frames:
        if at >= last:
            return
        part = samples[max(0, first - at) : max(0, last - at)]
        if len(part):
            yield part


class _Ranges(io.RawIOBase):
    """A kept file that a decoder may seek in; each read is a range."""

    def __init__(self, read: Read, size_bytes: int) -> None:
        self._read = read
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._size_bytes)
        data = self._read(self._at, end) if self._at < end else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


# --- In memory, never by pydub's export, which writes files -----------------------------------------------------------


def _wav(audio: Any) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as writer:
        writer.setnchannels(audio.channels)
        writer.setsampwidth(audio.sample_width)
        writer.setframerate(audio.frame_rate)
        writer.writeframes(audio.raw_data)
    return target.getvalue()


def _mp3(audio: Any) -> bytes:
    target = io.BytesIO()
    samples = np.frombuffer(audio.raw_data, np.int16).reshape(-1, audio.channels)
    preview.encode(iter([samples]), target, sample_rate=audio.frame_rate, channels=audio.channels)
    return target.getvalue()
