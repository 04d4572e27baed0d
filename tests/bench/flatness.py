"""Growth of a series of samples, and whether it is within a tolerance."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Sample:
    """A value, and the seconds since the start of the run."""

    seconds: float
    value: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Growth that counts as flat: an absolute amount or a share of the median, whichever is larger."""

    minimum: float
    share: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Statistics of a series."""

    median: float
    maximum: float
    # From the median of the first quarter to that of the last: detects a slope or a lasting step, and ignores peaks.
    grown: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        """Whether the series grew by at most the tolerance. Shrinking is allowed."""
        return self.grown <= self.allowed


def growth(samples: Sequence[Sample], tolerance: Tolerance) -> Growth:
    """Statistics of a series of at least four samples."""
    values = [sample.value for sample in samples]
    median = statistics.median(values)
    quarter = len(values) // 4
    grown = statistics.median(values[-quarter:]) - statistics.median(values[:quarter])
    return Growth(median, max(values), grown, max(tolerance.minimum, tolerance.share * median))
