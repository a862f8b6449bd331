"""The preview is an MP3 that sounds like the song and lasts as long."""

import io

import av
import numpy as np
import pytest

from studio.media import preview
from studio.media.disk import DiskStorage
from studio.media.errors import EncoderFailed
from tests.media.waves import Samples, tone


def made(storage: DiskStorage, samples: Samples, rate: int, *, block: int = 5000) -> bytes:
    pieces = (samples[at : at + block] for at in range(0, len(samples), block))
    with storage.sink("previews/1.mp3") as sink:
        preview.encode(pieces, sink, sample_rate=rate, channels=samples.shape[1])
        sink.commit()
    return b"".join(storage.open_range("previews/1.mp3"))


def heard(mp3: bytes) -> tuple[Samples, int, int]:
    """The decoded samples, their rate and the bit rate."""
    with av.open(io.BytesIO(mp3), mode="r", format="mp3") as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        return np.concatenate(frames, axis=1), stream.rate, stream.bit_rate or 0


def strongest_hertz(samples: Samples, rate: int) -> float:
    middle = samples[0, len(samples[0]) // 4 :][: rate // 2]
    return float(np.argmax(np.abs(np.fft.rfft(middle))) * rate / len(middle))


@pytest.mark.parametrize(
    ("rate", "kept"),
    [
        (44_100, 44_100), (48_000, 48_000), (32_000, 32_000),
        (8_000, 48_000), (11_025, 44_100), (22_050, 44_100), (88_200, 44_100), (96_000, 48_000), (192_000, 48_000),
        (44_000, 48_000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_preview_keeps_pitch_and_length_at_every_rate(
    storage: DiskStorage, rate: int, kept: int, channels: int
) -> None:
    samples, out_rate, bit_rate = heard(made(storage, tone(1.5, rate=rate, channels=channels), rate))
    assert (out_rate, bit_rate) == (kept, 128_000)
    assert samples.shape[0] == min(channels, 2)
    assert samples.shape[1] / out_rate == pytest.approx(1.5, abs=0.1)
    assert strongest_hertz(samples, out_rate) == pytest.approx(440, abs=3)
    assert np.abs(samples).max() > 0.3


def test_one_sample_makes_a_preview(storage: DiskStorage) -> None:
    assert heard(made(storage, tone(1 / 44_100), 44_100))[0].size > 0


@pytest.mark.parametrize("failure", [RuntimeError("boom"), MemoryError()])
def test_a_dying_encoder_is_the_houses_fault(
    storage: DiskStorage, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    class Dying:
        def __getattr__(self, name: str) -> object:
            def call(*_: object) -> None:
                if name in {"encode", "flush"}:
                    raise failure

            return call

    monkeypatch.setattr("studio.media.preview.lameenc.Encoder", Dying)
    with pytest.raises(EncoderFailed) as caught:
        made(storage, tone(0.1), 44_100)
    assert caught.value.fault == "house"
    with pytest.raises(EncoderFailed):
        made(storage, tone(0), 44_100)
