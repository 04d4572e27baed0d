"""The primes that the load test knows by itself, to check what the server answers against."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class KnownPrimes:
    """All primes up to a bound, found once by the sieve of Eratosthenes; four bytes each."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._primes = array("I", compress(range(bound + 1), _sieve(bound)))

    def first(self, count: int, start: int) -> Sequence[int]:
        """The first `count` primes >= start.

        Raises:
            ValueError: some of them lie beyond the bound.
        """
        begin = bisect_left(self._primes, start)
        found = self._primes[begin : begin + count]
        if len(found) < count:
            raise ValueError(f"{count} primes from {start} are not all known: the largest known is {self._primes[-1]}")
        return found


def wrong_list(expected: Sequence[int], given: object) -> str | None:
    """What is wrong with a whole result, or None."""
    if not isinstance(given, list):
        return "no list of primes"
    if len(given) != len(expected):
        return "count"
    if given[0] != expected[0]:
        return "first"
    if given[-1] != expected[-1]:
        return "last"
    return None if given == list(expected) else "between first and last"


def wrong_page(expected: Sequence[int], offset: int, size: int, given: object) -> str | None:
    """What is wrong with a page of the result that begins at an offset, or None."""
    wrong = wrong_list(expected[offset : offset + size], given)
    return f"page: {wrong}" if wrong else None


def _sieve(bound: int) -> bytearray:
    """One byte for each number from 0 to the bound: 1 for primes."""
    is_prime = bytearray(b"\x01") * (bound + 1)
    is_prime[:2] = b"\x00\x00"
    divisor = 2
    while divisor * divisor <= bound:
        if is_prime[divisor]:
            multiples = range(divisor * divisor, bound + 1, divisor)
            is_prime[multiples.start :: divisor] = bytes(len(multiples))
        divisor += 1
    return is_prime
