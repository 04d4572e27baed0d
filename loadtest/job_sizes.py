"""How many primes people ask for: four sizes, each as often as its weight says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

# Half of all jobs start elsewhere than at 2, so that not every result is a prefix of the same sequence.
LARGEST_START = 1_000_000

# Above all primes of a job of the largest size: 1,078,498 primes lie below it.
KNOWN_BOUND = 1_100_000
KNOWN_BOUND_WITH_HUGE = 16_900_000


@dataclass(frozen=True, slots=True)
class Size:
    """A range of counts under one name, which is the label of its latency."""

    name: str
    least: int
    most: int
    weight: int

    def count(self, random: Random) -> int:
        """Any in the range."""
        return random.randint(self.least, self.most)


SMALL = Size("small", 10, 50, weight=60)
MEDIUM = Size("medium", 100, 500, weight=30)
LARGE = Size("large", 1_000, 5_000, weight=10)
HUGE = Size("huge", 100_000, 1_000_000, weight=2)

USUAL = (SMALL, MEDIUM, LARGE)


def choose(random: Random, *, huge: bool) -> Size:
    """A size; huge ones only where they are wanted."""
    sizes = (*USUAL, HUGE) if huge else USUAL
    return random.choices(sizes, [size.weight for size in sizes])[0]


def start(random: Random) -> int:
    """Where the primes begin: at 2, or anywhere up to a million."""
    return 2 if random.random() < 0.5 else random.randint(2, LARGEST_START)  # noqa: PLR2004 - half of them
