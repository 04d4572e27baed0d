"""The engine compared with published tables and a plain sieve."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import engine
from tasks.engine.primes import prime_by_counting, prime_by_sieving, sieving_is_cheaper
from tests.tasks.engine.sieve import primes_below, primes_between

BELOW_TWO_MILLION = primes_below(2_000_000)
SEGMENT_PRIMES = 2**20
# The last two primes below 2^53.
LAST_PRIMES = [2**53 - 145, 2**53 - 111]

# pi(10^k), OEIS A006880.
PUBLISHED_COUNTS = {
    1: 4,
    2: 25,
    3: 168,
    4: 1_229,
    5: 9_592,
    6: 78_498,
    7: 664_579,
    8: 5_761_455,
    9: 50_847_534,
    10: 455_052_511,
    11: 4_118_054_813,
    12: 37_607_912_018,
}
# The 10^k-th prime, OEIS A006988.
PUBLISHED_PRIMES = {
    0: 2,
    1: 29,
    2: 541,
    3: 7_919,
    4: 104_729,
    5: 1_299_709,
    6: 15_485_863,
    7: 179_424_673,
    8: 2_038_074_743,
    9: 22_801_763_489,
    10: 252_097_800_623,
}


class TestPrimesFrom:
    def test_the_primes_from_zero_equal_a_plain_sieve(self) -> None:
        primes = engine.primes_from(0, BELOW_TWO_MILLION.size)

        assert primes.dtype == np.uint64
        np.testing.assert_array_equal(primes, BELOW_TWO_MILLION)

    @pytest.mark.parametrize(
        ("start", "first"),
        [
            (0, 2),
            (1, 2),
            (2, 2),
            (3, 3),
            (4, 5),
            (7, 7),
            (9, 11),
            (25, 29),
            (49, 53),
            (121, 127),
        ],
    )
    def test_start_is_included_only_if_it_is_prime(self, start: int, first: int) -> None:
        assert engine.primes_from(start, 1).tolist() == [first]
        assert engine.segment_start(start, 0) == first

    @pytest.mark.parametrize("start", [10**12, 999_983**2 - 500, 2**32 - 500, 2**53 - 2_000])
    def test_large_primes_equal_a_plain_sieve(self, start: int) -> None:
        expected = primes_between(start, start + 1_000)

        assert engine.primes_from(start, len(expected)).tolist() == expected

    def test_the_last_primes_of_the_range_are_returned_and_none_beyond(self) -> None:
        assert primes_between(LAST_PRIMES[0], 2**53) == LAST_PRIMES
        assert engine.primes_from(LAST_PRIMES[0], 2).tolist() == LAST_PRIMES
        with pytest.raises(
            engine.PrimeOutOfRangeError, match=f"rank 2 from {LAST_PRIMES[0]} exceeds {engine.MAX_PRIME}"
        ):
            engine.primes_from(LAST_PRIMES[0], 3)

    @pytest.mark.parametrize(
        ("start", "count", "message"),
        [
            (-1, 1, "start is -1, must be 0 to 9007199254740991"),
            (2**53, 1, "start is 9007199254740992, must be"),
            (0, 0, "count is 0, must be 1 to"),
            (0, 2**62, "count is 4611686018427387904, must be 1 to"),
        ],
    )
    def test_error_names_the_argument_that_is_out_of_range(self, start: int, count: int, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            engine.primes_from(start, count)

    @settings(deadline=None)  # a slow machine is not a failure
    @given(st.integers(0, 1_000_000), st.integers(1, 1_000))
    def test_any_range_equals_a_plain_sieve(self, start: int, count: int) -> None:
        index = int(BELOW_TWO_MILLION.searchsorted(start))

        np.testing.assert_array_equal(engine.primes_from(start, count), BELOW_TWO_MILLION[index : index + count])

    @settings(deadline=None)  # a slow machine is not a failure
    @given(st.integers(0, 10**12), st.lists(st.integers(1, 2_000), min_size=1, max_size=5))
    def test_segments_joined_equal_the_whole(self, start: int, lengths: list[int]) -> None:
        ranks = [sum(lengths[:index]) for index in range(len(lengths))]
        segments = [
            engine.primes_from(engine.segment_start(start, rank), length)
            for rank, length in zip(ranks, lengths, strict=True)
        ]

        np.testing.assert_array_equal(np.concatenate(segments), engine.primes_from(start, sum(lengths)))

    def test_concurrent_threads_get_independent_results(self) -> None:
        starts = range(0, 1_000_000, 10_000)
        with ThreadPoolExecutor(8) as pool:
            arrays = list(pool.map(engine.primes_from, starts, [5_000] * len(starts)))
            primes = list(pool.map(engine.segment_start, starts, [5_000] * len(starts)))

        for start, array, prime in zip(starts, arrays, primes, strict=True):
            index = int(BELOW_TWO_MILLION.searchsorted(start))
            np.testing.assert_array_equal(array, BELOW_TWO_MILLION[index : index + 5_000])
            assert prime == BELOW_TWO_MILLION[index + 5_000]


class TestMemory:
    def test_repeated_calls_do_not_leak_memory(self) -> None:
        megabyte = 2**20
        engine.primes_from(0, SEGMENT_PRIMES)
        before = psutil.Process().memory_info().rss

        for _ in range(40):  # 320 MiB in all
            engine.primes_from(0, SEGMENT_PRIMES)

        assert psutil.Process().memory_info().rss - before < 80 * megabyte

    def test_primes_are_not_copied(self) -> None:
        primes = engine.primes_from(0, 10)

        assert not primes.flags.owndata

    def test_memory_is_freed_with_the_last_view(self) -> None:
        primes = engine.primes_from(0, SEGMENT_PRIMES)
        memory = weakref.ref(primes.base)
        view = primes[-3:]
        expected = view.tolist()

        del primes
        gc.collect()
        engine.primes_from(10**6, SEGMENT_PRIMES)
        assert memory() is not None
        assert view.tolist() == expected

        del view
        gc.collect()
        assert memory() is None

    def test_a_process_exits_cleanly_while_primes_are_in_use(self) -> None:
        program = "from tasks import engine; primes = engine.primes_from(0, 100_000); print(primes[-1])"
        process = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
        )

        assert (process.returncode, process.stdout, process.stderr) == (0, "1299709\n", "")


class TestSegmentStart:
    @pytest.mark.parametrize(("exponent", "count"), PUBLISHED_COUNTS.items())
    def test_published_prime_counts_match(self, exponent: int, count: int) -> None:
        assert engine.segment_start(0, count - 1) <= 10**exponent < engine.segment_start(0, count)

    @pytest.mark.parametrize(("exponent", "prime"), PUBLISHED_PRIMES.items())
    def test_published_primes_match(self, exponent: int, prime: int) -> None:
        assert engine.segment_start(2, 10**exponent - 1) == prime

    @settings(deadline=None)  # a slow machine is not a failure
    @given(st.integers(0, 10**9), st.integers(0, 50_000))
    def test_sieving_and_counting_find_the_same_prime(self, start: int, rank: int) -> None:
        assert prime_by_sieving(start, rank) == prime_by_counting(start, rank)

    @pytest.mark.parametrize("start", [0, 1, 2, 3, 10**12, 2**53 - 2**28])
    def test_segment_start_equals_the_generated_prime(self, start: int) -> None:
        primes = engine.primes_from(start, SEGMENT_PRIMES)

        assert engine.segment_start(start, 0) == primes[0]
        assert engine.segment_start(start, SEGMENT_PRIMES - 1) == primes[-1]

    def test_the_cheaper_method_is_chosen(self) -> None:
        """Counting is fast for small primes, sieving for low ranks; the wrong choice takes seconds."""
        assert sieving_is_cheaper(2**53 - 2**40, 10 * SEGMENT_PRIMES)
        assert sieving_is_cheaper(10**12, SEGMENT_PRIMES)
        assert all(sieving_is_cheaper(start, 0) for start in (0, 1, 10**9, 2**53 - 1))
        assert not sieving_is_cheaper(0, SEGMENT_PRIMES)
        assert not sieving_is_cheaper(10**9, 10**9)

    @pytest.mark.parametrize(
        ("start", "rank"),
        [
            (2**53 - 1, 0),
            (LAST_PRIMES[0], 2),
            (0, 252_252_704_148_404),
            (10**10, 252_252_704_148_404 - 1),
            (2**52, 10**400),
        ],
    )
    def test_a_rank_beyond_the_last_prime_is_rejected(self, start: int, rank: int) -> None:
        with pytest.raises(engine.PrimeOutOfRangeError, match=f"rank {rank} from {start} exceeds"):
            engine.segment_start(start, rank)

    @pytest.mark.parametrize(("start", "rank"), [(-1, 0), (2**53, 0), (0, -1)])
    def test_an_argument_out_of_range_is_rejected(self, start: int, rank: int) -> None:
        with pytest.raises(ValueError, match="must be"):
            engine.segment_start(start, rank)
