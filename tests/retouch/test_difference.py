"""How a take is compared with its source: the same outside the section, or it is said."""

import numpy as np
import pytest

from studio import retouches, takes
from studio.media.difference import Difference, Part, measure
from studio.media.errors import AudioUnreadable
from studio.media.pcm import Pcm
from studio.models import Take, Track, User
from tests.retouch.conftest import RATE, noise, wav
from tests.retouch.scenes import begun, delivered, last_take

SONG = noise(12)


def part(samples: Pcm, rate: int = RATE, reads: list[int] | None = None) -> Part:
    def read(first_ms: int, last_ms: int) -> tuple[Pcm, int]:
        if reads is not None:
            reads.append(last_ms - first_ms)
        return samples[first_ms * rate // 1000 : last_ms * rate // 1000], rate

    return read


def compared(other: Pcm) -> Difference:
    return measure(part(SONG), part(other), duration_ms=12_000, start_ms=4000, end_ms=8000)


def retouched(gain_outside: float = 1.0) -> Pcm:
    made = (SONG * gain_outside).astype(np.int16)
    made[4 * RATE : 8 * RATE] = noise(4, seed=2)
    return made


def test_a_take_that_changes_the_section_only_equals_outside_and_differs_inside() -> None:
    found = compared(retouched())
    assert found.correlation == pytest.approx(1.0)
    assert found.level_db == pytest.approx(0.0)
    assert set(found.slices[:78]) == set(found.slices[162:]) == {0}
    assert min(found.slices[82:158]) > 30


def test_a_level_that_is_off_is_told_in_decibels() -> None:
    found = compared(retouched(0.5))
    assert found.correlation == pytest.approx(1.0, abs=1e-4)
    assert found.level_db == pytest.approx(-6.02, abs=0.02)


def test_another_song_does_not_correlate() -> None:
    assert abs(compared(noise(12, seed=9)).correlation) < 0.02


@pytest.mark.parametrize(("other", "level_db"), [(np.zeros_like(SONG), -60.0)])
def test_silence_is_no_equal_of_a_song(other: Pcm, level_db: float) -> None:
    found = compared(other)
    assert (found.correlation, found.level_db) == (0.0, level_db)


def test_no_more_than_some_seconds_are_read_at_a_time() -> None:
    reads: list[int] = []
    measure(part(SONG, reads=reads), part(SONG), duration_ms=12_000, start_ms=4000, end_ms=8000)
    assert reads == [5000, 5000, 2000]


def test_another_sample_rate_can_not_be_compared() -> None:
    with pytest.raises(AudioUnreadable):
        measure(part(SONG), part(SONG, 48_000), duration_ms=12_000, start_ms=4000, end_ms=8000)


def test_what_was_measured_is_kept_with_the_take(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    assert takes.difference(retouch, last_take(retouch)) is None, "not before it can be heard"
    changed = noise()
    changed[8 * RATE : 12 * RATE] = noise(4, seed=5)
    delivered(last_take(retouch), audio=wav(changed))
    found = takes.difference(retouch, last_take(retouch))
    assert found is not None
    assert found["equal"]
    assert Take.objects.get().difference == found
    [take] = retouches.read(ada, retouch.pk).takes
    assert takes.difference(retouch, take) == found


def test_a_take_that_is_off_outside_is_not_called_equal(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    delivered(last_take(retouch), audio=wav(noise(seed=7)))
    found = takes.difference(retouch, last_take(retouch))
    assert found is not None
    assert not found["equal"]


def test_only_a_part_is_not_measured(ada: User, track: Track) -> None:
    retouch = begun(ada, track, selection_crop=True)
    delivered(last_take(retouch))
    assert takes.difference(retouch, last_take(retouch)) == {}
    assert Take.objects.get().difference is None
