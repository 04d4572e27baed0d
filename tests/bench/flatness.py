"""Whether something stays as it is: what a series of samples has grown by. Pure: knows figures alone."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at a moment, in seconds since the run began."""

    seconds: float
    value: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What counts as flat: so much, or such a share of what is usual, whichever is more."""

    least: float
    share: float


@dataclass(frozen=True, slots=True)
class Growth:
    """How a series went."""

    usual: float
    most: float
    # From the median of its first quarter to that of its last: a peak decides nothing, a slope or a lasting step does.
    grown: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than is allowed. To shrink is no fault."""
        return self.grown <= self.allowed


def growth(samples: Sequence[Sample], tolerance: Tolerance) -> Growth:
    """How a series of at least four samples grew."""
    values = [sample.value for sample in samples]
    usual = statistics.median(values)
    quarter = len(values) // 4
    grown = statistics.median(values[-quarter:]) - statistics.median(values[:quarter])
    return Growth(usual, max(values), grown, max(tolerance.least, tolerance.share * usual))
