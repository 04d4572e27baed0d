"""Job sizes stay in their ranges and within the table of expected primes."""

from __future__ import annotations

from random import Random

from loadtest import job_sizes
from loadtest.users.expected_primes import PrimeTable


def test_small_jobs_are_the_most_frequent_and_huge_ones_are_opt_in() -> None:
    random = Random(1)
    chosen = [job_sizes.choose(random, include_huge=False) for _ in range(2_000)]
    assert set(chosen) == {job_sizes.SMALL, job_sizes.MEDIUM, job_sizes.LARGE}
    assert chosen.count(job_sizes.SMALL) > chosen.count(job_sizes.MEDIUM) > chosen.count(job_sizes.LARGE) > 0
    assert job_sizes.HUGE in {job_sizes.choose(random, include_huge=True) for _ in range(2_000)}


def test_counts_include_both_ends_of_their_range() -> None:
    random = Random(2)
    counts = {job_sizes.SMALL.random_count(random) for _ in range(2_000)}
    assert (min(counts), max(counts)) == (10, 50)


def test_the_table_covers_the_largest_jobs() -> None:
    assert (
        len(PrimeTable(job_sizes.MAX_PRIME).first(job_sizes.LARGE.max_count, job_sizes.MAX_START))
        == job_sizes.LARGE.max_count
    )
    huge = PrimeTable(job_sizes.MAX_PRIME_WITH_HUGE)
    assert len(huge.first(job_sizes.HUGE.max_count, job_sizes.MAX_START)) == job_sizes.HUGE.max_count


def test_half_of_all_jobs_start_at_two() -> None:
    random = Random(3)
    starts = [job_sizes.random_start(random) for _ in range(1_000)]
    assert 400 < starts.count(2) < 600
    assert max(starts) > 900_000
