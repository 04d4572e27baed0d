"""The plain sieve of Eratosthenes, slow and short: the reference for the engine's tests."""

from __future__ import annotations

from math import isqrt

import numpy as np
import numpy.typing as npt


def primes_below(limit: int) -> npt.NDArray[np.uint64]:
    is_prime = np.ones(limit, dtype=np.bool_)
    is_prime[:2] = False
    for number in range(2, isqrt(limit - 1) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = False
    return np.flatnonzero(is_prime).astype(np.uint64)


def primes_between(low: int, high: int) -> list[int]:
    """Primes in [low, high): numbers that no prime <= sqrt(high) divides. Requires low > sqrt(high)."""
    divisors = primes_below(isqrt(high) + 1).astype(np.int64)
    first_multiples = -low % divisors
    within = first_multiples < high - low
    is_prime = np.ones(high - low, dtype=np.bool_)
    for divisor, first_multiple in zip(divisors[within], first_multiples[within], strict=True):
        is_prime[first_multiple::divisor] = False
    return [low + int(index) for index in np.flatnonzero(is_prime)]
