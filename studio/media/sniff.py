"""Telling from its first bytes what a file is, whatever its name and its Content-Type say."""

from studio.media.errors import NotAudio

# Enough for any magic number below, and little enough that waiting for it delays nothing.
HEAD_BYTES = 64

# Of each kind that sniff() finds.
AUDIO_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
}

_WAVS = (b"RIFF", b"RF64", b"BW64")
_IMPOSTORS = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "gzip"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"<", "HTML or XML"),
)


def sniff(head: bytes) -> str:
    """One of wav, flac, ogg, mp3, m4a; raises NotAudio, which says what it looks like instead."""
    if head[:4] in _WAVS and head[8:12] == b"WAVE":
        return "wav"
    if head.startswith(b"fLaC"):
        return "flac"
    if head.startswith(b"OggS"):
        return "ogg"
    if head.startswith(b"ID3") or _is_mp3_frame(head):
        return "mp3"
    if head[4:8] == b"ftyp":
        return "m4a"
    raise NotAudio(_looks_like(head))


def _is_mp3_frame(head: bytes) -> bool:
    """An MPEG audio frame header: sync, a known version, layer III, and neither bit rate nor sample rate reserved."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    known_version = (head[1] >> 3) & 0b11 != 0b01
    layer_three = (head[1] >> 1) & 0b11 == 0b01
    return known_version and layer_three and head[2] >> 4 not in {0b0000, 0b1111} and (head[2] >> 2) & 0b11 != 0b11


def _looks_like(head: bytes) -> str:
    if not head:
        return "an empty body"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((what for magic, what in _IMPOSTORS if text.startswith(magic)), f"it begins with {head[:8].hex()}")
