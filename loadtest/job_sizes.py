"""Job sizes of simulated users: four classes with a weight each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

# Half of all jobs do not start at 2, so that not every result is a prefix of the same sequence.
MAX_START = 1_000_000

# No job returns a prime above these. With huge jobs the largest possible one is the 1,078,498th prime.
MAX_PRIME = 1_100_000
MAX_PRIME_WITH_HUGE = 16_900_000


@dataclass(frozen=True, slots=True)
class Size:
    """A range of counts. Its name labels the measured latency."""

    name: str
    min_count: int
    max_count: int
    weight: int

    def random_count(self, random: Random) -> int:
        """A uniformly distributed count in the range."""
        return random.randint(self.min_count, self.max_count)


SMALL = Size("small", 10, 50, weight=60)
MEDIUM = Size("medium", 100, 500, weight=30)
LARGE = Size("large", 1_000, 5_000, weight=10)
HUGE = Size("huge", 100_000, 1_000_000, weight=2)

DEFAULT = (SMALL, MEDIUM, LARGE)


def choose(random: Random, *, include_huge: bool) -> Size:
    """A random size, by weight."""
    sizes = (*DEFAULT, HUGE) if include_huge else DEFAULT
    return random.choices(sizes, [size.weight for size in sizes])[0]


def random_start(random: Random) -> int:
    """2 for half of the jobs, otherwise uniformly distributed up to MAX_START."""
    return 2 if random.random() < 0.5 else random.randint(2, MAX_START)  # noqa: PLR2004 - half of the jobs
