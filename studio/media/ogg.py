"""Whether an Ogg stream is all there: its last page says so, if it is the last page."""

from studio.media.errors import SourceTruncated

_MAX_PAGE_BYTES = 27 + 255 + 255 * 255
_END_OF_STREAM = 0x04


class Tail:
    """Keeps the last page's worth of bytes; finish() raises SourceTruncated unless a last page ends exactly there."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, block: bytes) -> None:
        self._tail = (self._tail + block)[-_MAX_PAGE_BYTES:]

    def finish(self) -> None:
        start = self._tail.rfind(b"OggS")
        while start >= 0:
            # "OggS" may also turn up inside a page, hence the check that a page begun there ends where the file does.
            if _page_bytes(self._tail[start:]) == len(self._tail) - start:
                if self._tail[start + 5] & _END_OF_STREAM:
                    return
                break
            start = self._tail.rfind(b"OggS", 0, start)
        raise SourceTruncated("Ogg without its last page")


def _page_bytes(page: bytes) -> int:
    """The length that a page's header gives it; -1 if the header itself is cut."""
    if len(page) < 27:
        return -1
    segments = page[26]
    return 27 + segments + sum(page[27 : 27 + segments])
