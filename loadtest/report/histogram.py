"""Counts by response time, as Locust keeps them: {milliseconds, rounded to two digits above 100: how many}."""

from __future__ import annotations

from collections import Counter
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def merged(histograms: Iterable[Mapping[int, int]]) -> Counter[int]:
    """All of them together."""
    total: Counter[int] = Counter()
    for histogram in histograms:
        total.update(histogram)
    return total


def since(now: Mapping[int, int], before: Mapping[int, int]) -> Counter[int]:
    """What was counted after a moment."""
    return Counter(now) - Counter(before)


def percentile(histogram: Mapping[int, int], share: float) -> int | None:
    """The least time within which this share of all was done; None where nothing was."""
    wanted = ceil(share * sum(histogram.values()))
    for milliseconds in sorted(histogram):
        wanted -= histogram[milliseconds]
        if wanted <= 0 and histogram[milliseconds]:
            return milliseconds
    return None
