"""What chance would do, in figures that SciPy agrees with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from studio import chance


@pytest.mark.parametrize("rounds", [1, 8, 12, 16, 50])
def test_the_tail_of_guessing_is_the_binomial_s(rounds: int) -> None:
    for right in range(rounds + 1):
        expected = stats.binomtest(right, rounds, 0.5, alternative="greater").pvalue
        assert chance.at_least(right, rounds) == pytest.approx(expected, rel=1e-12)


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilson_s_interval_is_scipys(counted: tuple[int, int]) -> None:
    wins, of = counted
    expected = stats.binomtest(wins, of).proportion_ci(0.95, method="wilson")
    assert chance.wilson(wins, of) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)


def test_nothing_seen_is_no_claim() -> None:
    assert chance.wilson(0, 0) == (0.0, 1.0)
    assert not chance.is_shown(0, 0)


@pytest.mark.parametrize(("right", "rounds", "shown"), [(7, 8, True), (6, 8, False), (12, 16, True), (11, 16, False)])
def test_a_difference_is_shown_where_guessing_does_as_well_once_in_twenty(right: int, rounds: int, shown: bool) -> None:
    assert chance.is_shown(right, rounds) is shown


@pytest.mark.parametrize("nonsense", [(-1, 3), (4, 3)])
def test_what_can_not_be_counted_is_refused(nonsense: tuple[int, int]) -> None:
    for judge in (chance.at_least, chance.wilson):
        with pytest.raises(ValueError, match="no sense"):
            judge(*nonsense)
