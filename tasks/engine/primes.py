"""Primes in order, and the prime at a rank. Loading the C libraries belongs to libraries.

Every result is exact and at most MAX_PRIME; an argument outside its limits is refused before the C libraries see it,
since they would try to allocate whatever they are told.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.engine.libraries import PRIMECOUNT_ERROR, PRIMESIEVE_ERROR, UINT64_PRIMES, primecount, primesieve

if TYPE_CHECKING:
    import numpy.typing as npt

# Every whole number up to here is exact in a JSON number, whatever reads it.
MAX_PRIME = 2**53 - 1
# pi(2^53 - 1), as in OEIS A007053(53).
PRIMES_UP_TO_MAX = 252_252_704_148_404
# Primes in one array, 128 MiB: sixteen segments. libprimesieve reserves memory for the whole count at once.
MAX_COUNT = 2**24
# Sieving a prime costs about as much as this many units of x^(2/3), by which the cost of counting at x grows.
COUNTING_UNITS_PER_SIEVED_PRIME = 32


class PrimeOutOfRangeError(ValueError):
    """A prime of the answer would exceed MAX_PRIME."""


def primes_from(start: int, count: int) -> npt.NDArray[np.uint64]:
    """The first `count` primes >= `start`, ascending, in memory that is freed with the array.

    Args:
        start: lower bound of the sequence, 0 <= start <= MAX_PRIME.
        count: how many, 1 <= count <= MAX_COUNT.

    Raises:
        PrimeOutOfRangeError: the last prime would exceed MAX_PRIME.
        ValueError: an argument is outside its limits.
        MemoryError: no room for the primes.
    """
    require("start", start, 0, MAX_PRIME)
    require("count", count, 1, MAX_COUNT)
    primes = np.asarray(PrimeBuffer(start, count))
    if primes[-1] > MAX_PRIME:
        raise out_of_range(start, count - 1)
    return primes


def segment_start(start: int, rank: int) -> int:
    """The prime at a rank of the sequence that begins at `start`, found without keeping those before it.

    Two exact ways, the cheaper of which is taken. Counting, nth_prime(pi(start - 1) + rank + 1), hardly depends on the
    rank, but grows with the size of the prime: near MAX_PRIME it takes a hundred times as long as sieving a segment.
    Sieving forward grows with the rank, and hardly with the size: from small starts, far ranks would take
    a hundred times as long as counting.

    Args:
        start: lower bound of the sequence, 0 <= start <= MAX_PRIME.
        rank: zero-based index in the sequence; 0 is the first prime >= start.

    Raises:
        PrimeOutOfRangeError: the prime would exceed MAX_PRIME.
        ValueError: an argument is outside its limits.

    Source: Gourdon's variant of Meissel-Lehmer, as implemented by libprimecount; the segmented sieve of libprimesieve.
    """
    require("start", start, 0, MAX_PRIME)
    if rank < 0:
        raise ValueError(f"rank is {rank}, must be at least 0")
    # Whatever the start; the estimate below is made in floating point, which has an end.
    if rank >= PRIMES_UP_TO_MAX:
        raise out_of_range(start, rank)
    if sieving_is_cheaper(start, rank):
        return prime_by_sieving(start, rank)
    return prime_by_counting(start, rank)


def sieving_is_cheaper(start: int, rank: int) -> bool:
    """Whether the sieve reaches the prime at `rank` before pi and nth_prime would."""
    # The prime looked for is above start + rank; close enough for an estimate.
    counting_units: float = (start + rank) ** (2 / 3)
    return rank * COUNTING_UNITS_PER_SIEVED_PRIME <= counting_units


def prime_by_sieving(start: int, rank: int) -> int:
    """The prime at `rank`, by counting forward from `start`. Time grows with the rank."""
    # The C function wants the n-th prime above a number, n from 1; no prime is below 2, so 0 stands for -1.
    prime: int = primesieve().primesieve_nth_prime(rank + 1, max(start - 1, 0))
    if prime == PRIMESIEVE_ERROR:
        raise RuntimeError(f"libprimesieve failed at rank {rank} from {start}")
    if prime > MAX_PRIME:
        raise out_of_range(start, rank)
    return prime


def prime_by_counting(start: int, rank: int) -> int:
    """The prime at `rank`, by the prime counting function. Time grows with the size of the prime."""
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
    """Memory of libprimesieve with consecutive primes in it. numpy reads it in place and keeps this object alive."""

    def __init__(self, start: int, count: int) -> None:
        library = primesieve()
        address = library.primesieve_generate_n_primes(count, start, UINT64_PRIMES)
        if address is None:
            raise MemoryError(f"libprimesieve has no room for {count} primes from {start}")
        # Not at exit: arrays may still be read then, and the memory goes with the process.
        weakref.finalize(self, library.primesieve_free, address).atexit = False
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "typestr": np.dtype(np.uint64).str,
            "shape": (count,),
            "data": (address, False),
        }


def require(name: str, value: int, low: int, high: int) -> None:
    """Refuse an argument outside its limits, naming it."""
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, must be {low} to {high}")


def out_of_range(start: int, rank: int) -> PrimeOutOfRangeError:
    """The error for a sequence that leaves the range before or at `rank`."""
    return PrimeOutOfRangeError(f"the prime at rank {rank} from {start} exceeds {MAX_PRIME}")
