"""Percentiles and differences of response time histograms."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.report.histogram import difference, merge, percentile


@given(st.lists(st.integers(0, 2_000), min_size=1), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_nearest_rank(values: list[int], share: float) -> None:
    rank = max(1, math.ceil(share * len(values)))
    assert percentile(Counter(values), share) == sorted(values)[rank - 1]


@pytest.mark.parametrize("empty", [{}, {250: 0}])
def test_an_empty_histogram_has_no_percentile(empty: dict[int, int]) -> None:
    assert percentile(empty, 0.95) is None


def test_one_slow_job_in_twenty_is_within_p95_and_two_are_not() -> None:
    assert percentile({10: 19, 900: 1}, 0.95) == 10
    assert percentile({10: 18, 900: 2}, 0.95) == 900


def test_a_difference_holds_the_counts_added_later() -> None:
    before = {10: 3, 20: 1}
    now = {10: 5, 20: 1, 30: 2}
    assert difference(now, before) == {10: 2, 30: 2}
    assert merge([before, difference(now, before)]) == now
