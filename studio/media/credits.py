"""What a served file says about itself: title, credits and recipe, in the terms of each format."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from mutagen import id3

SOFTWARE: Final = "Neo-Apex"
ARTIST: Final = "Sonauto v2"


@dataclass(frozen=True, slots=True)
class Credits:
    """`recipe` is the canonical JSON. Texts that are not known are empty."""

    title: str
    made_on: str
    attribution: str
    seed: str
    recipe: str
    genre: str = ""
    lyrics: str = ""

    def without_lyrics(self) -> "Credits":
        return replace(self, lyrics="")

    @property
    def comment(self) -> str:
        return f"{self.attribution}. Seed {self.seed}."


# --- WAV -------------------------------------------------------------------------------------------------------------


def riff_info(about: Credits) -> bytes:
    """A LIST chunk of the INFO kind, in UTF-8 as everybody writes it."""
    texts = [
        (b"INAM", about.title),
        (b"IART", ARTIST),
        (b"ICRD", about.made_on),
        (b"IGNR", about.genre),
        (b"ICMT", f"{about.comment} Recipe: {about.recipe}"),
        (b"ICOP", about.attribution),
        (b"ISFT", SOFTWARE),
    ]
    return _chunk(b"LIST", b"INFO" + b"".join(_chunk(name, text.encode() + b"\0") for name, text in texts if text))


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


# --- MP3 -------------------------------------------------------------------------------------------------------------


def id3_tag(about: Credits, before: bytes = b"") -> bytes:
    """An ID3v2.4 tag; what the tag `before` said beyond ours stays in it.

    :raises id3.error: `before` can't be read.
    """
    tag = id3.ID3(io.BytesIO(before)) if before else id3.ID3()
    frames: list[id3.Frame] = [
        id3.TIT2(encoding=3, text=about.title),
        id3.TPE1(encoding=3, text=ARTIST),
        id3.TDRC(encoding=3, text=about.made_on),
        id3.TCOP(encoding=3, text=about.attribution),
        id3.TSSE(encoding=3, text=SOFTWARE),
        id3.COMM(encoding=3, lang="eng", desc="", text=about.comment),
        id3.TXXX(encoding=3, desc="RECIPE", text=about.recipe),
        id3.TXXX(encoding=3, desc="SEED", text=about.seed),
    ]
    if about.genre:
        frames.append(id3.TCON(encoding=3, text=about.genre))
    if about.lyrics:
        frames.append(id3.USLT(encoding=3, lang="und", desc="", text=about.lyrics))
    for frame in frames:
        tag.setall(frame.HashKey, [frame])
    written = io.BytesIO()
    tag.save(written, v1=0, v2_version=4, padding=lambda _: 0)
    return written.getvalue()


# --- FLAC and Ogg ----------------------------------------------------------------------------------------------------


def vorbis_comment(about: Credits, before: bytes = b"") -> bytes:
    """The body of a Vorbis comment, without a framing bit; what `before` said beyond ours stays in it."""
    ours = [
        ("TITLE", about.title),
        ("ARTIST", ARTIST),
        ("DATE", about.made_on),
        ("GENRE", about.genre),
        ("COPYRIGHT", about.attribution),
        ("COMMENT", about.comment),
        ("ENCODED-BY", SOFTWARE),
        ("SEED", about.seed),
        ("RECIPE", about.recipe),
        ("LYRICS", about.lyrics),
    ]
    vendor, theirs = _read_vorbis(before) if before else (SOFTWARE.encode(), [])
    names = {name.encode() for name, _ in ours}
    kept = [line for line in theirs if line.partition(b"=")[0].upper() not in names]
    return _write_vorbis(vendor, kept + [f"{name}={text}".encode() for name, text in ours if text])


def _read_vorbis(body: bytes) -> tuple[bytes, list[bytes]]:
    vendor, at = _counted(body, 0)
    (count,) = struct.unpack_from("<I", body, at)
    at += 4
    lines = []
    # A count that lies ends at the end of the body at the latest.
    for _ in range(min(count, len(body))):
        line, at = _counted(body, at)
        lines.append(line)
    return vendor, lines


def _counted(body: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from("<I", body, at)
    end = at + 4 + length
    if end > len(body):
        raise struct.error("a text that is longer than all of them")
    return body[at + 4 : end], end


def _write_vorbis(vendor: bytes, lines: Sequence[bytes]) -> bytes:
    parts = [struct.pack("<I", len(vendor)) + vendor, struct.pack("<I", len(lines))]
    return b"".join(parts + [struct.pack("<I", len(line)) + line for line in lines])
