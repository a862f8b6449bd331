"""A kept WAV by its parts: where its samples lie, found by looking at as little of it as possible."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from studio.media import riff
from studio.media.errors import AudioUnreadable
from studio.media.riff import WavFormat

# The bytes of a file from one place up to and without another; fewer where it ends before.
Read = Callable[[int, int], bytes]

_ONE_LOOK: Final = 4096
# Sonauto's have three chunks. A file with very many has been made to be looked at for ever.
_MAX_CHUNKS: Final = 64
_SIZE_ELSEWHERE: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Samples:
    format: WavFormat
    start: int
    frames: int

    @property
    def end(self) -> int:
        return self.start + self.frames * self.format.frame_bytes

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Where the frames from `first` up to and without `last` lie, as far as there are any."""
        first, last = (min(max(frame, 0), self.frames) for frame in (first, last))
        return self.start + first * self.format.frame_bytes, self.start + last * self.format.frame_bytes


def find_samples(read: Read, size_bytes: int) -> Samples:
    """Walks from chunk to chunk. The file was checked when it came, so its sizes are believed here.

    :raises AudioUnreadable: it is no WAV, or not one that ends where it says.
    """
    look = _Looking(read)
    if look.at(0, 4) not in {b"RIFF", b"RF64", b"BW64"} or look.at(8, 4) != b"WAVE":
        raise AudioUnreadable("no RIFF/WAVE header")
    at, wav, long_bytes = 12, None, None
    for _ in range(_MAX_CHUNKS):
        name, length = struct.unpack("<4sI", look.at(at, 8))
        if name == b"fmt ":
            wav = riff.parse_format(look.at(at + 8, min(length, 40)))
        elif name == b"ds64":
            long_bytes = int.from_bytes(look.at(at + 16, 8), "little")
        elif name == b"data":
            return _samples(wav, at + 8, long_bytes if length == _SIZE_ELSEWHERE else length, size_bytes)
        at += 8 + length + length % 2
    raise AudioUnreadable("no data among the first chunks")


def _samples(wav: WavFormat | None, start: int, length: int | None, size_bytes: int) -> Samples:
    if wav is None or length is None or start + length > size_bytes:
        raise AudioUnreadable("data without fmt, or longer than its file")
    return Samples(wav, start, length // wav.frame_bytes)


class _Looking:
    """Reads a little more than it is asked for, so that a header takes one request and not ten."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._start, self._bytes = 0, b""

    def at(self, start: int, count: int) -> bytes:
        """:raises AudioUnreadable: the file ends before."""
        if not self._start <= start <= start + count <= self._start + len(self._bytes):
            self._start, self._bytes = start, self._read(start, start + max(count, _ONE_LOOK))
        found = self._bytes[start - self._start :][:count]
        if len(found) < count:
            raise AudioUnreadable("a WAV that ends within its headers")
        return found
