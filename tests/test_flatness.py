"""tests.bench.flatness: what counts as flat in a soak, by series whose growth is known."""

from __future__ import annotations

import random

import pytest

from tests.bench.flatness import Sample, Tolerance, growth

TOLERANCE = Tolerance(least=4, share=0.05)


def series(per_minute: float, noise: float = 0.0, minutes: int = 20, usual: float = 60) -> list[Sample]:
    """A sample every ten seconds."""
    chance = random.Random(1)
    seconds = range(0, minutes * 60, 10)
    return [Sample(at, usual + at / 60 * per_minute + chance.uniform(-noise, noise)) for at in seconds]


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_what_stays_is_flat_and_what_grows_is_not(noise: float) -> None:
    assert growth(series(0, noise), TOLERANCE).is_flat
    assert not growth(series(0.5, noise), TOLERANCE).is_flat
    assert growth(series(-0.5, noise), TOLERANCE).is_flat


def test_growth_is_from_the_middle_of_the_first_quarter_to_that_of_the_last() -> None:
    assert growth(series(0.5), TOLERANCE).grown == pytest.approx(0.5 * 20 * 3 / 4)


def test_a_few_peaks_are_no_growth_and_are_told() -> None:
    samples = series(0)
    peaks = [Sample(one.seconds, 500) if place in {90, 100, 119} else one for place, one in enumerate(samples)]
    found = growth(peaks, TOLERANCE)
    assert found.is_flat
    assert (found.usual, found.most) == (60, 500)


def test_much_may_vary_by_its_share_and_little_by_the_least() -> None:
    assert growth(series(0, usual=60), TOLERANCE).allowed == 4
    assert growth(series(0, usual=1000), TOLERANCE).allowed == 50
    assert growth(series(0.5, usual=1000), TOLERANCE).is_flat


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_step_that_stays_is_growth(share: float) -> None:
    samples = series(0)
    stepped = [Sample(one.seconds, one.value + 20 * (one.seconds > share * 1200)) for one in samples]
    assert growth(stepped, TOLERANCE).grown == 20
