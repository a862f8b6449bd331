"""A WAV as FLAC, converted while it is sent: no sample is lost, and no file is made."""

from collections.abc import Iterable, Iterator
from typing import Final

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from studio.media.credits import Credits, vorbis_comment
from studio.media.errors import EncoderFailed
from studio.media.pcm import LAYOUTS
from studio.media.riff import SampleKind, WavFormat
from studio.media.tagged import flac_head
from studio.media.wavfile import Samples

_STREAMINFO, _COMMENT = 0, 4
# The length of a STREAMINFO, and where in it the 36 bits with the number of samples end.
_STREAMINFO_BYTES: Final = 34
_TOTAL_END: Final = 18
_MAX_TOTAL: Final = 2**36 - 1
# Enough frames for a block of the encoder many times over, and little memory.
_BLOCK_FRAMES: Final = 16 * 1024
# FLAC holds integers of up to 24 bits; what is wider or floating has no exact form there.
_LOSSLESS_BITS: Final = frozenset({8, 16, 24})


def is_lossless(wav: WavFormat) -> bool:
    return wav.kind is SampleKind.INTEGER and wav.bits in _LOSSLESS_BITS


def encode(blocks: Iterable[bytes], samples: Samples, about: Credits) -> Iterator[bytes]:
    """The FLAC of `blocks`, which are exactly the bytes of the samples. Ask `is_lossless` first.

    :raises EncoderFailed: the encoder took offence. Raises what reading raises, too.
    """
    wav = samples.format
    try:
        encoder = _encoder(wav)
        comment = (_COMMENT, vorbis_comment(about))
        yield flac_head([(_STREAMINFO, _stream_info(encoder, samples.frames)), comment])
        at = 0
        for rows in _rows(blocks, wav):
            frame = av.AudioFrame.from_ndarray(
                rows.reshape(1, -1), format=encoder.format.name, layout=encoder.layout.name
            )
            frame.sample_rate, frame.pts, at = wav.sample_rate, at, at + len(rows)
            yield from (bytes(packet) for packet in encoder.encode(frame))
        yield from (bytes(packet) for packet in encoder.encode(None) if packet.size)
    except av.error.FFmpegError as error:
        raise EncoderFailed(f"flac: {error}") from error


def _encoder(wav: WavFormat) -> av.AudioCodecContext:
    encoder = av.AudioCodecContext.create("flac", "w")
    encoder.sample_rate = wav.sample_rate
    encoder.layout = LAYOUTS[wav.channels]
    # ffmpeg's "s32" means 24 bits to this encoder.
    encoder.format = "s32" if wav.bits == 24 else "s16"
    encoder.open()
    return encoder


def _stream_info(encoder: av.AudioCodecContext, frames: int) -> bytes:
    """The encoder's own, with the length of the song, so that players can show it; 0 means not known."""
    info = bytes(encoder.extradata or b"")
    if len(info) != _STREAMINFO_BYTES:
        raise EncoderFailed(f"STREAMINFO of {len(info)} bytes")
    head = int.from_bytes(info[:_TOTAL_END], "big") & ~_MAX_TOTAL
    return (head | (frames if frames <= _MAX_TOTAL else 0)).to_bytes(_TOTAL_END, "big") + info[_TOTAL_END:]


def _rows(blocks: Iterable[bytes], wav: WavFormat) -> Iterator[NDArray[np.signedinteger]]:
    """Whole frames, in the encoder's integers."""
    step = _BLOCK_FRAMES * wav.frame_bytes
    rest = b""
    for block in blocks:
        rest += block
        whole = len(rest) - len(rest) % wav.frame_bytes
        for start in range(0, whole, step):
            yield _integers(rest[start : min(start + step, whole)], wav)
        rest = rest[whole:]


def _integers(data: bytes, wav: WavFormat) -> NDArray[np.signedinteger]:
    match wav.bits:
        case 8:
            # Eight bits are unsigned in WAV, with 128 as zero.
            wide = (np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8
        case 24:
            # The upper three bytes of four.
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            wide = padded.view("<i4")
        case _:
            wide = np.frombuffer(data, "<i2")
    return wide.reshape(-1, wav.channels)
