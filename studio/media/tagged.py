"""A kept file as it is served: its sound untouched, with the credits put into its head or at its end.

What is stored stays as it came. A served file has a length and an ETag of its own, and any part of it can be asked for.
"""

import io
import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from itertools import chain
from typing import Any, Final, Protocol

from mutagen import MutagenError
from mutagen.ogg import OggPage

from studio.media.credits import Credits, id3_tag, riff_info, vorbis_comment

# Where a head is larger than this, with a cover in it, say, the file is served as it is.
MAX_HEAD_BYTES: Final = 1024 * 1024
_FIRST_BYTES: Final = 64 * 1024
_RIFF_MAX: Final = 0xFFFFFFFF
_VORBIS_COMMENT, _PADDING = 4, 1
_FLAC_BLOCK_MAX: Final = 0xFFFFFF
_OGG_PAGE_BYTES: Final = 60_000


class Opened(Protocol):
    """An open file of the storage, or one that is made like it."""

    size_bytes: int
    modified_at: datetime
    etag: str

    def slice(self, start: int, end: int) -> Iterator[bytes]: ...

    def close(self) -> None: ...


Open = Callable[[], Any]


class Tagged:
    """`before`, then the stored bytes from `start` to `end`, then `after`: one file to whoever asks for a part."""

    def __init__(self, stored: Opened, *, before: bytes = b"", start: int = 0, end: int, after: bytes = b"") -> None:
        self._stored = stored
        self._before, self._start, self._end, self._after = before, start, end, after
        self.size_bytes = len(before) + (end - start) + len(after)
        self.modified_at = stored.modified_at
        told = sha256(before + b"\0" + after).hexdigest()[:16]
        self.etag = f'"{stored.etag.strip(chr(34))}-{told}"'

    def slice(self, start: int, end: int) -> "Slice":
        """The bytes from `start` up to and without `end`; the slice owns the stored file from now on."""
        end = min(end, self.size_bytes)
        middle, last = len(self._before), len(self._before) + self._end - self._start
        from_stored = max(start - middle, 0), min(end, last) - middle
        wants_stored = from_stored[0] < from_stored[1]
        stored = self._stored.slice(*(self._start + at for at in from_stored)) if wants_stored else None
        parts = [[self._before[start:end]], stored or [], [self._after[max(start - last, 0) : max(end - last, 0)]]]
        return Slice(chain.from_iterable(parts), self._stored if stored is None else stored)

    def close(self) -> None:
        self._stored.close()


class Slice:
    """The blocks of a part, closed at their end or by close()."""

    def __init__(self, blocks: Iterator[bytes], opened: Any) -> None:
        self._blocks = blocks
        self._opened = opened

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        for block in self._blocks:
            if block:
                return block
        self.close()
        raise StopIteration

    def close(self) -> None:
        self._blocks = iter(())
        self._opened.close()


def tagged(open_file: Open, kind: str, about: Credits) -> Any:
    """The file that `open_file` opens, with credits where its kind has a place for them; else just as it is.

    Raises what opening raises.
    """
    makers = {"wav": _wav, "mp3": _mp3, "flac": _flac, "ogg": _ogg}
    if kind not in makers:
        return open_file()
    head = _Head(open_file)
    try:
        made = makers[kind](head, about)
    except (MutagenError, struct.error, EOFError, ValueError):
        # Odd, and yet it plays: it is not for a tag to keep anybody from their song.
        made = None
    stored = open_file()
    return stored if made is None else Tagged(stored, **made)


Made = dict[str, Any] | None


class _Head:
    """The first bytes of a file, read as far as somebody looks, and never beyond MAX_HEAD_BYTES."""

    def __init__(self, open_file: Open) -> None:
        self._open = open_file
        stored = open_file()
        self.size_bytes: int = stored.size_bytes
        self._bytes = b"".join(stored.slice(0, _FIRST_BYTES))

    def upto(self, end: int) -> bytes:
        """:raises EOFError: the file, or what we are ready to look at, ends before."""
        if end > min(self.size_bytes, MAX_HEAD_BYTES):
            raise EOFError
        if end > len(self._bytes):
            self._bytes += b"".join(self._open().slice(len(self._bytes), min(MAX_HEAD_BYTES, 2 * end)))
        return self._bytes[:end]

    def at(self, start: int, count: int) -> bytes:
        return self.upto(start + count)[start:]


def _wav(head: _Head, about: Credits) -> Made:
    """A LIST chunk behind everything, and the size in the first chunk made right."""
    magic, riff_bytes = head.at(0, 4), int.from_bytes(head.at(4, 4), "little")
    is_64 = magic != b"RIFF"
    if is_64 and head.at(12, 4) != b"ds64":
        return None
    declared = (int.from_bytes(head.at(20, 8), "little") if is_64 else riff_bytes) + 8
    # Some writers leave out the last pad byte, and some add one that they don't count.
    end = min(head.size_bytes, declared)
    after = b"\0" * (end % 2) + riff_info(about)
    whole = end + len(after) - 8
    if is_64:
        return {"before": head.at(0, 20) + struct.pack("<Q", whole), "start": 28, "end": end, "after": after}
    if whole > _RIFF_MAX:
        return None
    return {"before": magic + struct.pack("<I", whole), "start": 8, "end": end, "after": after}


def _mp3(head: _Head, about: Credits) -> Made:
    """A tag in front, in place of the one that was there."""
    first = head.at(0, 10)
    old_bytes = 0
    if first.startswith(b"ID3"):
        footer = 10 if first[5] & 0x10 else 0
        old_bytes = (
            10 + footer + sum((byte & 0x7F) << shift for byte, shift in zip(first[6:], (21, 14, 7, 0), strict=True))
        )
    return {"before": id3_tag(about, head.upto(old_bytes)), "start": old_bytes, "end": head.size_bytes}


def _flac(head: _Head, about: Credits) -> Made:
    """The same blocks but for padding, with the comment rewritten behind the first, which stays the first."""
    if head.at(0, 4) != b"fLaC":
        return None
    blocks, end = _flac_blocks(head)
    before = next((body for kind, body in blocks if kind == _VORBIS_COMMENT), b"")
    comment = vorbis_comment(about, before)
    if len(comment) > _FLAC_BLOCK_MAX:
        return None
    kept = [(kind, body) for kind, body in blocks if kind not in {_VORBIS_COMMENT, _PADDING}]
    return {
        "before": flac_head([kept[0], (_VORBIS_COMMENT, comment), *kept[1:]]),
        "start": end,
        "end": head.size_bytes,
    }


def _flac_blocks(head: _Head) -> tuple[list[tuple[int, bytes]], int]:
    blocks, at, is_last = [], 4, False
    while not is_last:
        kind, length = head.at(at, 1)[0], int.from_bytes(head.at(at + 1, 3), "big")
        is_last = bool(kind & 0x80)
        blocks.append((kind & 0x7F, head.at(at + 4, length)))
        at += 4 + length
    return blocks, at


def flac_head(blocks: list[tuple[int, bytes]]) -> bytes:
    """The start of a FLAC file: its metadata blocks as (type, body)."""
    heads = [bytes([kind | (0x80 if number == len(blocks) else 0)]) for number, (kind, _) in enumerate(blocks, 1)]
    parts = [mark + len(body).to_bytes(3, "big") + body for mark, (_, body) in zip(heads, blocks, strict=True)]
    return b"fLaC" + b"".join(parts)


def _ogg(head: _Head, about: Credits) -> Made:
    """The header pages rewritten to as many: one more, and every page of the file would have another number."""
    first, pages = _ogg_head(head)
    packets = OggPage.to_packets(pages)
    prefix = b"OpusTags" if packets[0].startswith(b"OpusTags") else b"\x03vorbis"
    if not packets[0].startswith(prefix):
        return None
    framing = b"\x01" if prefix == b"\x03vorbis" else b""
    for shown in (about, about.without_lyrics()):
        comment = prefix + vorbis_comment(shown, packets[0][len(prefix) :]) + framing
        new = _paged([comment, *packets[1:]], len(pages))
        if new is not None:
            for page in new:
                page.serial = first.serial
            before = first.write() + b"".join(page.write() for page in new)
            old_bytes = first.size + sum(page.size for page in pages)
            return {"before": before, "start": old_bytes, "end": head.size_bytes}
    return None


def _ogg_head(head: _Head) -> tuple[OggPage, list[OggPage]]:
    """The first page, and those with the rest of the headers: two packets of Vorbis, one of Opus."""
    file = io.BytesIO(head.upto(min(head.size_bytes, MAX_HEAD_BYTES)))
    first = OggPage(file)
    wanted = 1 if first.packets[0].startswith(b"OpusHead") else 2
    pages: list[OggPage] = []
    while sum(len(page.packets) - page.continued for page in pages) < wanted or not pages[-1].complete:
        pages.append(OggPage(file))
    return first, pages


def _paged(packets: list[bytes], count: int) -> list[OggPage] | None:
    share = sum(map(len, packets)) // count
    # A page has room for 255 pieces of 255 bytes.
    if share > _OGG_PAGE_BYTES:
        return None
    for size in (4096, share + 1024, share + 4096, _OGG_PAGE_BYTES):
        pages: list[OggPage] = OggPage.from_packets(packets, sequence=1, default_size=max(size, 512))
        if len(pages) == count:
            return pages
    return None
