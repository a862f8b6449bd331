"""Songs in the formats that PyAV writes for us, so that no test needs a file or a program."""

import io

import av

from tests.media.waves import Samples

_CODECS = {
    "flac": ("flac", "flac", "s16"),
    "mp3": ("mp3", "libmp3lame", "s16p"),
    "ogg": ("ogg", "vorbis", "fltp"),
    "opus": ("ogg", "libopus", "s16"),
    "m4a": ("ipod", "aac", "fltp"),
}


def encoded(samples: Samples, kind: str, *, rate: int = 44_100) -> bytes:
    muxer, codec, sample_format = _CODECS[kind]
    layout = "stereo" if samples.shape[1] == 2 else "mono"
    file = io.BytesIO()
    with av.open(file, mode="w", format=muxer) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, format=sample_format)
        assert isinstance(stream, av.AudioStream)
        stream.options = {"strict": "experimental"}
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()
