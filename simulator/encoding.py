"""Samples to files and back: canonical WAV by the standard library, everything else by PyAV."""

import io
import wave
from collections.abc import Mapping

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

Pcm = NDArray[np.int16]  # frames by two channels
RATE = 44_100
MAX_DECODED_SECONDS = 1800

CONTENT_TYPES: Mapping[str, str] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
}
# Opus knows no 44.1 kHz; the ogg file is resampled to 48 kHz as every Opus encoder does.
_CODECS: Mapping[str, tuple[str, str, int]] = {
    "flac": ("flac", "flac", RATE),
    "mp3": ("mp3", "libmp3lame", RATE),
    "ogg": ("ogg", "libopus", 48_000),
    "m4a": ("ipod", "aac", RATE),
}


class UnreadableAudioError(Exception):
    """The bytes are no audio that can be decoded."""

    code = "unsupported_audio_format"


def encode(pcm: Pcm, output_format: str, bit_rate_kbps: int | None = None) -> bytes:
    """The same bytes for the same samples, always: bit-exact muxing leaves out dates and random serials."""
    if output_format == "wav":
        return _wav(pcm)
    container_name, codec, rate = _CODECS[output_format]
    target = io.BytesIO()
    with av.open(target, "w", format=container_name, options={"fflags": "+bitexact"}) as container:
        audio = _audio_stream(container.add_stream(codec, rate=rate, layout="stereo"))
        if output_format in {"mp3", "m4a", "ogg"}:
            audio.bit_rate = (bit_rate_kbps or 192) * 1000
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = RATE
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return target.getvalue()


def _audio_stream(stream: object) -> AudioStream:
    if not isinstance(stream, AudioStream):
        raise TypeError(f"no audio stream: {stream!r}")
    return stream


def _wav(pcm: Pcm) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.astype("<i2").tobytes())
    return target.getvalue()


def decode(data: bytes) -> Pcm:
    """Stereo at 44.1 kHz. Raises UnreadableAudioError."""
    try:
        with av.open(io.BytesIO(data), "r") as container:
            resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
            blocks: list[NDArray[np.int16]] = []
            for frame in container.decode(audio=0):
                blocks += [_samples(part) for part in resampler.resample(frame)]
                if frame.time and frame.time > MAX_DECODED_SECONDS:
                    raise UnreadableAudioError("the audio is too long")
            blocks += [_samples(part) for part in resampler.resample(None)]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise UnreadableAudioError(str(error)) from error
    if not blocks:
        raise UnreadableAudioError("there is no sound in it")
    return np.concatenate(blocks)


def _samples(frame: av.AudioFrame) -> Pcm:
    return frame.to_ndarray().reshape(-1, 2).astype(np.int16)
