"""A WAV leaves as FLAC: sample for sample the same, with its length known, block by block."""

import io
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from mutagen.flac import FLAC

from studio.media import flac
from studio.media.riff import parse_format
from studio.media.wavfile import Samples, find_samples
from tests.media import waves
from tests.media.kept import decoded
from tests.media.test_tagged import ABOUT

NOISE = np.random.default_rng(7).integers(-9000, 9000, (44_100 * 2 + 17, 2)).astype(np.int16)


def converted(body: bytes, block_bytes: int = 10_007) -> bytes:
    found = find_samples(lambda start, end: body[start:end], len(body))
    blocks = (body[at : min(at + block_bytes, found.end)] for at in range(found.start, found.end, block_bytes))
    return b"".join(flac.encode(blocks, found, ABOUT))


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_flac_of_16_bits_decodes_to_the_very_samples(channels: int) -> None:
    samples = waves.tone(1.7, channels=channels)
    assert np.array_equal(decoded(converted(waves.wav(samples)), "flac"), samples)


def test_noise_survives_blocks_of_any_size() -> None:
    body = waves.wav(NOISE)
    whole = converted(body, 1 << 20)
    assert np.array_equal(decoded(whole, "flac"), NOISE)
    for block_bytes in (1, 3, 4096, 70_001):
        short = waves.wav(NOISE[:9000])
        assert converted(short, block_bytes) == converted(short, 1 << 20)


def test_flac_of_24_bits_loses_none_of_them() -> None:
    packed = waves.packed(NOISE[:20_000], 24)
    got = decoded(converted(packed.file), "flac")
    raw = np.frombuffer(packed.body, np.uint8).reshape(-1, 3)
    expected = (
        raw[:, 0].astype(np.int32) | raw[:, 1].astype(np.int32) << 8 | raw[:, 2].astype(np.int8).astype(np.int32) << 16
    )
    assert np.array_equal(got.reshape(-1) >> 8, expected)


def test_flac_of_8_bits_is_the_same_sound() -> None:
    packed = waves.packed(waves.tone(0.5), 8)
    assert np.array_equal(decoded(converted(packed.file), "flac"), packed.expected)


def test_the_length_the_rate_and_the_credits_are_told() -> None:
    read = FLAC(io.BytesIO(converted(waves.wav(NOISE, rate=48_000))))
    assert read.info.total_samples == len(NOISE)
    assert (read.info.sample_rate, read.info.bits_per_sample, read.info.channels) == (48_000, 16, 2)
    assert read["TITLE"] == [ABOUT.title]
    assert read["RECIPE"] == [ABOUT.recipe]


@pytest.mark.parametrize(
    ("bits", "code", "lossless"),
    [(8, 1, True), (16, 1, True), (24, 1, True), (32, 1, False), (32, 3, False), (64, 3, False)],
)
def test_only_what_flac_can_hold_is_offered(bits: int, code: int, lossless: bool) -> None:
    assert flac.is_lossless(parse_format(waves.fmt(bits=bits, code=code))) is lossless


def test_memory_stays_flat_however_long_it_is() -> None:
    def peak_of(seconds: int) -> int:
        samples = Samples(parse_format(waves.fmt()), 44, seconds * 44_100)
        second = waves.tone(1.0).tobytes()

        def blocks() -> Iterator[bytes]:
            yield from (second for _ in range(seconds))

        tracemalloc.start()
        for _ in flac.encode(blocks(), samples, ABOUT):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_of(60) < 1.2 * peak_of(6)
