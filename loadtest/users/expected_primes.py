"""The primes that the load test expects, computed independently of the server."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class PrimeTable:
    """All primes up to a limit, computed once by the sieve of Eratosthenes; four bytes each."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._primes = array("I", compress(range(limit + 1), _sieve(limit)))

    def first(self, count: int, start: int) -> Sequence[int]:
        """The first `count` primes >= start.

        Raises:
            ValueError: at least one of them exceeds the limit.
        """
        index = bisect_left(self._primes, start)
        found = self._primes[index : index + count]
        if len(found) < count:
            raise ValueError(f"{count} primes from {start} exceed the table, whose largest prime is {self._primes[-1]}")
        return found


def list_error(expected: Sequence[int], actual: object) -> str | None:
    """The first difference between a result and the expected primes; None when they are equal."""
    if not isinstance(actual, list):
        return "not a list"
    if len(actual) != len(expected):
        return "wrong count"
    if actual[0] != expected[0]:
        return "wrong first prime"
    if actual[-1] != expected[-1]:
        return "wrong last prime"
    return None if actual == list(expected) else "wrong prime between first and last"


def page_error(expected: Sequence[int], offset: int, size: int, actual: object) -> str | None:
    """The first difference between a page and the expected primes from its offset; None when they are equal."""
    error = list_error(expected[offset : offset + size], actual)
    return f"page: {error}" if error else None


def _sieve(limit: int) -> bytearray:
    """One byte for each number from 0 to the limit, 1 for primes."""
    is_prime = bytearray(b"\x01") * (limit + 1)
    is_prime[:2] = b"\x00\x00"
    divisor = 2
    while divisor * divisor <= limit:
        if is_prime[divisor]:
            multiples = range(divisor * divisor, limit + 1, divisor)
            is_prime[multiples.start :: divisor] = bytes(len(multiples))
        divisor += 1
    return is_prime
