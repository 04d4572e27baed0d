"""Consecutive primes, and the prime at a rank. tasks.engine.libraries loads the C libraries.

Every result is exact and at most MAX_PRIME. Arguments are checked before the C libraries receive them, because those
allocate memory for whatever count they are given.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.engine.libraries import PRIMECOUNT_ERROR, PRIMESIEVE_ERROR, UINT64_PRIMES, primecount, primesieve

if TYPE_CHECKING:
    import numpy.typing as npt

# Integers up to here are exact in a double, and so in every JSON parser (Number.MAX_SAFE_INTEGER of JavaScript).
MAX_PRIME = 2**53 - 1
# Number of primes <= MAX_PRIME: pi(2^53), OEIS A007053(53).
PRIMES_UP_TO_MAX = 252_252_704_148_404
# Primes per array: 128 MiB, sixteen segments. libprimesieve allocates memory for the whole count at once.
MAX_COUNT = 2**24
# Cost of sieving one prime, in the units in which counting the primes below x costs x^(2/3). Measured.
COUNTING_UNITS_PER_SIEVED_PRIME = 32


class PrimeOutOfRangeError(ValueError):
    """A requested prime would exceed MAX_PRIME."""


def primes_from(start: int, count: int) -> npt.NDArray[np.uint64]:
    """Returns the first `count` primes >= `start`.

    Args:
        start: lower bound of the sequence, 0 <= start <= MAX_PRIME.
        count: number of primes, 1 <= count <= MAX_COUNT.

    Returns:
        Ascending primes, shape (count,), dtype uint64. The array owns memory of libprimesieve: 8 bytes per prime, freed
        with the last view of it.

    Raises:
        PrimeOutOfRangeError: the last prime would exceed MAX_PRIME.
        ValueError: an argument is out of range.
        MemoryError: libprimesieve cannot allocate the primes.

    Source: primesieve_generate_n_primes of libprimesieve.
    """
    require_range("start", start, 0, MAX_PRIME)
    require_range("count", count, 1, MAX_COUNT)
    primes = np.asarray(PrimeBuffer(start, count))
    if primes[-1] > MAX_PRIME:
        raise out_of_range(start, count - 1)
    return primes


def segment_start(start: int, rank: int) -> int:
    """Returns the prime at a rank of the sequence that begins at `start`, without storing those before it.

    Chooses the cheaper of two exact methods. Counting, nth_prime(pi(start - 1) + rank + 1), hardly depends on the rank
    but grows with the size of the prime: near MAX_PRIME it takes a hundred times as long as sieving a segment. Sieving
    grows with the rank and hardly with the size of the prime: for small starts and high ranks it takes a hundred times
    as long as counting.

    Args:
        start: lower bound of the sequence, 0 <= start <= MAX_PRIME.
        rank: zero-based index in the sequence; 0 is the first prime >= start.

    Raises:
        PrimeOutOfRangeError: the prime would exceed MAX_PRIME.
        ValueError: an argument is out of range.

    Sources: primecount_pi and primecount_nth_prime of libprimecount (Gourdon's variant of the Meissel-Lehmer
    algorithm); primesieve_nth_prime of libprimesieve (segmented sieve of Eratosthenes).
    """
    require_range("start", start, 0, MAX_PRIME)
    if rank < 0:
        raise ValueError(f"rank is {rank}, must be at least 0")
    # For any start. Also keeps the estimate below within floating-point range.
    if rank >= PRIMES_UP_TO_MAX:
        raise out_of_range(start, rank)
    if sieving_is_cheaper(start, rank):
        return prime_by_sieving(start, rank)
    return prime_by_counting(start, rank)


def sieving_is_cheaper(start: int, rank: int) -> bool:
    """Returns whether sieving is estimated to find the prime at `rank` sooner than counting."""
    # The prime exceeds start + rank; close enough for an estimate.
    counting_units: float = (start + rank) ** (2 / 3)
    return rank * COUNTING_UNITS_PER_SIEVED_PRIME <= counting_units


def prime_by_sieving(start: int, rank: int) -> int:
    """Returns the prime at `rank` by sieving from `start`. Time grows with the rank."""
    # primesieve_nth_prime(n, x): the n-th prime > x, n >= 1, x unsigned. For start 0, x = 0 serves: 0 is not prime.
    prime: int = primesieve().primesieve_nth_prime(rank + 1, max(start - 1, 0))
    if prime == PRIMESIEVE_ERROR:
        raise RuntimeError(f"libprimesieve failed at rank {rank} from {start}")
    if prime > MAX_PRIME:
        raise out_of_range(start, rank)
    return prime


def prime_by_counting(start: int, rank: int) -> int:
    """Returns the prime at `rank` by the prime-counting function. Time grows with the size of the prime."""
    below: int = primecount().primecount_pi(start - 1)
    if below == PRIMECOUNT_ERROR:
        raise RuntimeError(f"libprimecount failed to count the primes below {start}")
    if below + rank >= PRIMES_UP_TO_MAX:
        raise out_of_range(start, rank)
    prime: int = primecount().primecount_nth_prime(below + rank + 1)
    if prime == PRIMECOUNT_ERROR:
        raise RuntimeError(f"libprimecount failed at rank {rank} from {start}")
    return prime


class PrimeBuffer:
    """Consecutive primes in memory of libprimesieve. numpy reads them in place and keeps this object alive."""

    def __init__(self, start: int, count: int) -> None:
        library = primesieve()
        address = library.primesieve_generate_n_primes(count, start, UINT64_PRIMES)
        if address is None:
            raise MemoryError(f"libprimesieve cannot allocate memory for {count} primes from {start}")
        # Not at exit: arrays may still be in use then, and the operating system frees the memory.
        weakref.finalize(self, library.primesieve_free, address).atexit = False
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "typestr": np.dtype(np.uint64).str,
            "shape": (count,),
            "data": (address, False),
        }


def require_range(name: str, value: int, low: int, high: int) -> None:
    """Raises ValueError with the name, value and bounds of an argument that is out of range."""
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, must be {low} to {high}")


def out_of_range(start: int, rank: int) -> PrimeOutOfRangeError:
    """The error for a prime at `rank` that exceeds MAX_PRIME."""
    return PrimeOutOfRangeError(f"the prime at rank {rank} from {start} exceeds {MAX_PRIME}")
