"""Whether a file of another format than WAV is all there, as far as its container lets anyone tell."""

from typing import Protocol

from studio.media.errors import AudioUnreadable, SourceTruncated

_MAX_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
_OGG_LAST_PAGE = 0x04
_MAX_MP3_FRAME_BYTES = 2881
_XING_WINDOW_BYTES = 256
# The index of a song of many hours; decoders read it into memory as a whole.
_MAX_MP4_INDEX_BYTES = 32 * 1024 * 1024
_XING_HAS_FRAMES, _XING_HAS_BYTES = 0x1, 0x2


class Completeness(Protocol):
    """Fed with the whole file in order; finish() raises SourceTruncated when some of it is missing."""

    def feed(self, block: bytes) -> None: ...

    def finish(self) -> None: ...


def completeness(kind: str) -> Completeness:
    """The check for what sniff() found."""
    checks: dict[str, type[Completeness]] = {"ogg": OggPages, "mp3": Mp3Length, "m4a": Mp4Boxes}
    return checks.get(kind, FlacSamples)()


class FlacSamples:
    """FLAC numbers its samples in its header, which the decoder compares; there is nothing to add."""

    def feed(self, block: bytes) -> None:
        """The decoder sees to it."""

    def finish(self) -> None:
        """The decoder sees to it."""


class OggPages:
    """The last page of an Ogg stream says that it is the last, and must end where the file does."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, block: bytes) -> None:
        self._tail = (self._tail + block)[-_MAX_OGG_PAGE_BYTES:]

    def finish(self) -> None:
        start = self._tail.rfind(b"OggS")
        # "OggS" may also turn up inside a page; only a page that ends where the file does can be the last one.
        while start >= 0 and _ogg_page_bytes(self._tail[start:]) != len(self._tail) - start:
            start = self._tail.rfind(b"OggS", 0, start)
        if start < 0 or not self._tail[start + 5] & _OGG_LAST_PAGE:
            raise SourceTruncated("Ogg without its last page")


def _ogg_page_bytes(page: bytes) -> int:
    """The length that a page's header gives it; -1 if the header itself is cut."""
    if len(page) < 27:
        return -1
    segments = page[26]
    return 27 + segments + sum(page[27 : 27 + segments])


class Mp3Length:
    """Encoders leave the length of an MP3 in its first frame, the Xing or Info tag; ffmpeg ignores it in a stream."""

    def __init__(self) -> None:
        self._received_bytes = 0
        self._head = b""
        self._first_frame_at = 0
        self._window = b""

    def feed(self, block: bytes) -> None:
        if len(self._head) < 10:
            self._head = (self._head + block)[:10]
            self._first_frame_at = _id3_bytes(self._head)
        start = max(0, self._first_frame_at - self._received_bytes)
        self._received_bytes += len(block)
        if len(self._window) < _XING_WINDOW_BYTES and self._received_bytes > self._first_frame_at:
            self._window += block[start : start + _XING_WINDOW_BYTES]

    def finish(self) -> None:
        promised = self._first_frame_at + _xing_bytes(self._window)
        # Encoders differ in whether the tag's own frame is counted.
        if self._received_bytes < promised - _MAX_MP3_FRAME_BYTES:
            raise SourceTruncated(f"MP3 says {promised} bytes, {self._received_bytes} came")


def _id3_bytes(head: bytes) -> int:
    """The length of an ID3v2 tag: four bytes of seven bits, and ten of header."""
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


def _xing_bytes(window: bytes) -> int:
    """The bytes of audio that the tag promises; 0 without a tag or where it leaves them open."""
    at = max(window.find(b"Xing"), window.find(b"Info"))
    flags = int.from_bytes(window[at + 4 : at + 8], "big")
    if at < 0 or not flags & _XING_HAS_BYTES:
        return 0
    field = at + (12 if flags & _XING_HAS_FRAMES else 8)
    return int.from_bytes(window[field : field + 4], "big")


class Mp4Boxes:
    """An MP4 is a row of boxes, each with its size in front; the last must end where the file does."""

    def __init__(self) -> None:
        self._header = b""
        self._header_bytes = 8
        self._skip = 0
        self._open_ended = False

    def feed(self, block: bytes) -> None:
        while block and not self._open_ended:
            skipped = min(self._skip, len(block))
            self._skip -= skipped
            block = block[skipped:]
            take = self._header_bytes - len(self._header)
            self._header += block[:take]
            block = block[take:]
            if len(self._header) == self._header_bytes:
                self._begin_box()

    def finish(self) -> None:
        if self._skip or self._header:
            raise SourceTruncated(f"MP4 ends {self._skip} bytes short")

    def _begin_box(self) -> None:
        size = int.from_bytes(self._header[:4], "big")
        if size == 1 and self._header_bytes == 8:
            self._header_bytes = 16  # the real size follows in 64 bits
            return
        if self._header_bytes == 16:
            size = int.from_bytes(self._header[8:], "big")
        if self._header[4:8] == b"moov" and size > _MAX_MP4_INDEX_BYTES:
            raise AudioUnreadable(f"MP4 index of {size} bytes")
        self._open_ended = size == 0
        if size and size < self._header_bytes:
            raise AudioUnreadable(f"MP4 box of {size} bytes")
        self._skip = max(0, size - self._header_bytes)
        self._header, self._header_bytes = b"", 8
