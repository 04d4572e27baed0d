"""Response time histograms as Locust keeps them: {milliseconds: count}, above 100 ms rounded to two digits."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def merge(histograms: Iterable[Mapping[int, int]]) -> Counter[int]:
    """The sum of several histograms."""
    total: Counter[int] = Counter()
    for histogram in histograms:
        total.update(histogram)
    return total


def difference(now: Mapping[int, int], before: Mapping[int, int]) -> Counter[int]:
    """The counts that were added between two snapshots."""
    return Counter(now) - Counter(before)


def percentile(histogram: Mapping[int, int], share: float) -> int | None:
    """The nearest-rank percentile, such as 0.95; None for an empty histogram."""
    remaining = ceil(share * sum(histogram.values()))
    for milliseconds in sorted(histogram):
        remaining -= histogram[milliseconds]
        if remaining <= 0 and histogram[milliseconds]:
            return milliseconds
    return None
