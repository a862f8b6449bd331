"""Reading a kept waveform: audiowaveform's binary format as its JSON."""

from typing import Any

from studio.media.peaks import HEADER
from studio.media.storage import default_storage


def as_json(peaks_key: str) -> dict[str, Any]:
    """audiowaveform's JSON of a stored .dat (version 1, 8 bit): `data` is min, max, min, max, one pair a pixel."""
    raw = b"".join(default_storage().open_range(peaks_key))
    version, flags, sample_rate, samples_per_pixel, length = HEADER.unpack_from(raw)
    values = memoryview(raw)[HEADER.size :].cast("b")
    return {
        "version": version,
        "channels": 1,
        "sample_rate": sample_rate,
        "samples_per_pixel": samples_per_pixel,
        "bits": 8 if flags & 1 else 16,
        "length": length,
        "data": values.tolist(),
    }
