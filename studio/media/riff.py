"""Reading WAV as it arrives, and believing its sizes only when as many bytes have come.

Every decoder at hand plays a WAV cut in half without a word, so the sizes in its headers are checked here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from studio.media.errors import AudioEmpty, AudioUnreadable, SourceTruncated

MAX_CHANNELS = 8
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4_000, 384_000

_SIZE_ELSEWHERE = 0xFFFFFFFF
_MAX_HEADER_CHUNK_BYTES = 4096
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# The last 14 bytes of the GUIDs that WAVE_EXTENSIBLE uses for what has a plain format code too.
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_SAMPLE_BITS = {_PCM: frozenset({8, 16, 24, 32}), _FLOAT: frozenset({32, 64})}


class SampleKind(Enum):
    INTEGER = auto()
    FLOAT = auto()


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What the `fmt ` chunk says; `frame_bytes` is one sample of every channel."""

    kind: SampleKind
    bits: int
    channels: int
    sample_rate: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


class _Expecting(Enum):
    FILE_HEADER = auto()
    CHUNK_HEADER = auto()
    CHUNK_BODY = auto()
    SAMPLES = auto()
    SKIP = auto()


class WavReader:
    """Fed with the file's bytes in pieces of any size, gives out the bytes of its samples; finish() is the verdict.

    Raises AudioUnreadable, AudioEmpty and SourceTruncated. Holds at most one small chunk.
    """

    def __init__(self) -> None:
        self.format: WavFormat | None = None
        self.received_bytes = 0
        self._expecting = _Expecting.FILE_HEADER
        self._need = 12
        self._held = bytearray()
        self._chunk_id = b""
        self._chunk_bytes = 0
        self._riff_bytes = 0
        self._is_64 = False
        self._long_sizes: tuple[int, int] | None = None
        self._samples_seen = False

    def feed(self, data: bytes | memoryview) -> Iterator[memoryview]:
        """Yields the parts of `data` that are samples, in order; `format` is set before the first."""
        view = memoryview(data)
        self.received_bytes += len(view)
        while view:
            part, view = view[: self._need], view[self._need :]
            self._need -= len(part)
            if self._expecting is _Expecting.SAMPLES:
                yield part
            elif self._expecting is not _Expecting.SKIP:
                self._held += part
            # A chunk of no bytes is over as soon as it begins, hence the loop.
            while self._need == 0:
                self._advance()

    def finish(self) -> WavFormat:
        """Raises unless every size in the file is exactly what arrived and there is at least one frame."""
        at_a_boundary = self._expecting is _Expecting.CHUNK_HEADER and not self._held
        # A lone missing pad byte at the very end is how many writers end a file, and costs no sample.
        only_the_pad_is_missing = self._expecting is _Expecting.SKIP and self._need == 1 and self._chunk_bytes % 2 == 1
        if not (at_a_boundary or only_the_pad_is_missing) or not self._samples_seen or self.format is None:
            raise SourceTruncated(f"WAV ends after {self.received_bytes} bytes, {self._need} short")
        declared = self._riff_bytes + 8
        if self.received_bytes not in {declared - 1 if only_the_pad_is_missing else declared, declared, declared + 1}:
            raise SourceTruncated(f"WAV says {declared} bytes, {self.received_bytes} came")
        return self.format

    def _advance(self) -> None:
        held, self._held = bytes(self._held), bytearray()
        match self._expecting:
            case _Expecting.FILE_HEADER:
                self._read_file_header(held)
                self._expect_chunk()
            case _Expecting.CHUNK_HEADER:
                self._begin_chunk(held)
            case _Expecting.CHUNK_BODY:
                self._read_small_chunk(held)
                self._end_chunk()
            case _Expecting.SAMPLES:
                self._end_chunk()
            case _Expecting.SKIP:
                self._expect_chunk()

    def _read_file_header(self, held: bytes) -> None:
        magic, self._riff_bytes, form = struct.unpack("<4sI4s", held)
        if magic not in {b"RIFF", b"RF64", b"BW64"} or form != b"WAVE":
            raise AudioUnreadable("no RIFF/WAVE header")
        self._is_64 = magic != b"RIFF"
        if not self._is_64 and self._riff_bytes == _SIZE_ELSEWHERE:
            raise AudioUnreadable("a WAV of unknown size cannot be checked")

    def _begin_chunk(self, held: bytes) -> None:
        self._chunk_id, self._chunk_bytes = struct.unpack("<4sI", held)
        if not all(0x20 <= byte < 0x7F for byte in self._chunk_id):
            raise AudioUnreadable(f"chunk id {self._chunk_id!r} where a chunk should begin")
        if self._is_64 and self._long_sizes is None and self._chunk_id != b"ds64":
            raise AudioUnreadable("RF64 without ds64")
        if self._chunk_id == b"data":
            self._begin_samples()
        elif self._chunk_id in {b"fmt ", b"ds64"}:
            self._begin_small_chunk()
        else:
            self._expecting, self._need = _Expecting.SKIP, self._chunk_bytes + self._chunk_bytes % 2

    def _begin_small_chunk(self) -> None:
        if self._chunk_bytes > _MAX_HEADER_CHUNK_BYTES:
            raise AudioUnreadable(f"{self._chunk_id!r} of {self._chunk_bytes} bytes")
        self._expecting, self._need = _Expecting.CHUNK_BODY, self._chunk_bytes

    def _begin_samples(self) -> None:
        if self.format is None or self._samples_seen:
            raise AudioUnreadable("data before fmt, or twice")
        if self._chunk_bytes == _SIZE_ELSEWHERE:
            if self._long_sizes is None:
                raise AudioUnreadable("a WAV of unknown size cannot be checked")
            self._chunk_bytes = self._long_sizes[1]
        if self._chunk_bytes == 0:
            raise AudioEmpty("data of 0 bytes")
        if self._chunk_bytes % self.format.frame_bytes:
            raise AudioUnreadable(
                f"{self._chunk_bytes} bytes are no whole number of {self.format.frame_bytes}-byte frames"
            )
        if self._chunk_bytes > self._riff_bytes:
            raise SourceTruncated(f"data of {self._chunk_bytes} bytes in a file of {self._riff_bytes + 8}")
        self._samples_seen = True
        self._expecting, self._need = _Expecting.SAMPLES, self._chunk_bytes

    def _read_small_chunk(self, held: bytes) -> None:
        if self._chunk_id == b"fmt ":
            if self.format is not None:
                raise AudioUnreadable("two fmt chunks")
            self.format = parse_format(held)
        elif self._is_64:
            if len(held) < 24:
                raise AudioUnreadable("ds64 too short")
            self._riff_bytes, data_bytes = struct.unpack_from("<QQ", held)
            self._long_sizes = (self._riff_bytes, data_bytes)

    def _end_chunk(self) -> None:
        if self._chunk_bytes % 2:
            self._expecting, self._need = _Expecting.SKIP, 1
        else:
            self._expect_chunk()

    def _expect_chunk(self) -> None:
        self._expecting, self._need = _Expecting.CHUNK_HEADER, 8


def parse_format(body: bytes) -> WavFormat:
    """The `fmt ` chunk's body; raises AudioUnreadable for what the studio does not read or what contradicts itself."""
    if len(body) < 16:
        raise AudioUnreadable("fmt too short")
    code, channels, sample_rate, _, block_align, bits = struct.unpack_from("<HHIIHH", body)
    if code == _EXTENSIBLE:
        code = _extensible_code(body)
    if bits not in _SAMPLE_BITS.get(code, frozenset()):
        raise AudioUnreadable(f"WAV format {code:#x} with {bits} bits")
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioUnreadable(f"{channels} channels")
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioUnreadable(f"{sample_rate} Hz")
    if block_align != channels * bits // 8:
        raise AudioUnreadable(f"{channels} channels of {bits} bits do not make frames of {block_align} bytes")
    return WavFormat(SampleKind.FLOAT if code == _FLOAT else SampleKind.INTEGER, bits, channels, sample_rate)


def _extensible_code(body: bytes) -> int:
    if len(body) < 40 or body[26:40] != _GUID_TAIL:
        raise AudioUnreadable("WAVE_EXTENSIBLE of an unknown kind")
    return int.from_bytes(body[24:26], "little")
