"""tests.bench.flatness: series of known growth."""

from __future__ import annotations

import random

import pytest

from tests.bench.flatness import Sample, Tolerance, growth

TOLERANCE = Tolerance(minimum=4, share=0.05)


def series(per_minute: float, noise: float = 0.0, minutes: int = 20, median: float = 60) -> list[Sample]:
    """One sample every ten seconds."""
    chance = random.Random(1)
    seconds = range(0, minutes * 60, 10)
    return [Sample(at, median + at / 60 * per_minute + chance.uniform(-noise, noise)) for at in seconds]


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_a_constant_or_shrinking_series_is_flat_and_a_growing_one_is_not(noise: float) -> None:
    assert growth(series(0, noise), TOLERANCE).is_flat
    assert not growth(series(0.5, noise), TOLERANCE).is_flat
    assert growth(series(-0.5, noise), TOLERANCE).is_flat


def test_growth_is_from_the_first_quarter_to_the_last() -> None:
    assert growth(series(0.5), TOLERANCE).grown == pytest.approx(0.5 * 20 * 3 / 4)


def test_peaks_are_no_growth_but_count_as_maximum() -> None:
    samples = series(0)
    peaks = [Sample(sample.seconds, 500) if place in {90, 100, 119} else sample for place, sample in enumerate(samples)]
    found = growth(peaks, TOLERANCE)
    assert found.is_flat
    assert (found.median, found.maximum) == (60, 500)


def test_the_tolerance_is_a_share_of_the_median_with_a_minimum() -> None:
    assert growth(series(0, median=60), TOLERANCE).allowed == 4
    assert growth(series(0, median=1000), TOLERANCE).allowed == 50
    assert growth(series(0.5, median=1000), TOLERANCE).is_flat


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_lasting_step_is_growth(share: float) -> None:
    samples = series(0)
    stepped = [Sample(sample.seconds, sample.value + 20 * (sample.seconds > share * 1200)) for sample in samples]
    assert growth(stepped, TOLERANCE).grown == 20
