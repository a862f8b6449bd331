"""WAV files of every kind a test needs, built by hand so that their headers can lie."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


def tone(
    seconds: float = 1.0, *, rate: int = 44_100, channels: int = 2, hertz: float = 440, level: float = 0.5
) -> Samples:
    """A sine, each further channel a little softer; `level` is its peak, 1 being full scale."""
    wave = np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate) * level * 32767
    return np.stack([wave * 0.9**channel for channel in range(channels)], axis=1).round().astype(np.int16)


def chunk(name: bytes, body: bytes, *, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def fmt(
    *,
    channels: int = 2,
    rate: int = 44_100,
    bits: int = 16,
    code: int = 1,
    block_align: int | None = None,
) -> bytes:
    align = channels * bits // 8 if block_align is None else block_align
    return struct.pack("<HHIIHH", code, channels, rate, rate * align, align, bits)


def extensible(*, channels: int = 2, rate: int = 44_100, bits: int = 16, code: int = 1) -> bytes:
    plain = fmt(channels=channels, rate=rate, bits=bits, code=0xFFFE)
    guid = struct.pack("<H", code) + bytes.fromhex("000000001000800000aa00389b71")
    return plain + struct.pack("<HHI", 22, bits, 0) + guid


def riff(*chunks: bytes, size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def wav(samples: Samples, *, rate: int = 44_100) -> bytes:
    return riff(chunk(b"fmt ", fmt(channels=samples.shape[1], rate=rate)), chunk(b"data", samples.tobytes()))


def rf64(samples: Samples, *, data_bytes: int | None = None) -> bytes:
    data = samples.tobytes()
    rest = chunk(b"fmt ", fmt()) + chunk(b"data", data, size=0xFFFFFFFF)
    sizes = struct.pack("<QQQI", 4 + 36 + len(rest), data_bytes or len(data), len(samples), 0)
    return riff(chunk(b"ds64", sizes), rest, size=0xFFFFFFFF, magic=b"RF64")


@dataclass(frozen=True)
class Packed:
    """The same samples in another width: `expected` is what 16 bits of them must be."""

    body: bytes
    fmt: bytes
    expected: Samples

    @property
    def file(self) -> bytes:
        return riff(chunk(b"fmt ", self.fmt), chunk(b"data", self.body))


def packed(samples: Samples, bits: int, *, floating: bool = False, in_extensible: bool = False) -> Packed:
    make = extensible if in_extensible else fmt
    header = make(channels=samples.shape[1], bits=bits, code=3 if floating else 1)
    if floating:
        return Packed((samples / 32767).astype(f"<f{bits // 8}").tobytes(), header, samples)
    if bits == 8:
        coarse = (samples >> 8).astype(np.int16)
        return Packed((coarse + 128).astype(np.uint8).tobytes(), header, coarse << 8)
    wide = samples.astype(np.int64) << (bits - 16) | 0x3
    pieces = wide.astype("<i8").reshape(-1, 1).view(np.uint8)[:, : bits // 8]
    expected = samples if bits > 16 else (samples | 0x3)
    return Packed(np.ascontiguousarray(pieces).tobytes(), header, expected)
