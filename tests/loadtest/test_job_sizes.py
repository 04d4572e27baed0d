"""Sizes stay in their ranges, and all that is asked for is known."""

from __future__ import annotations

from random import Random

from loadtest import job_sizes
from loadtest.users.expected_primes import KnownPrimes


def test_small_jobs_are_most_and_huge_ones_come_only_when_they_are_wanted() -> None:
    random = Random(1)
    usual = [job_sizes.choose(random, huge=False) for _ in range(2_000)]
    assert set(usual) == {job_sizes.SMALL, job_sizes.MEDIUM, job_sizes.LARGE}
    assert usual.count(job_sizes.SMALL) > usual.count(job_sizes.MEDIUM) > usual.count(job_sizes.LARGE) > 0
    assert job_sizes.HUGE in {job_sizes.choose(random, huge=True) for _ in range(2_000)}


def test_counts_reach_both_ends_of_their_range() -> None:
    random = Random(2)
    counts = {job_sizes.SMALL.count(random) for _ in range(2_000)}
    assert (min(counts), max(counts)) == (10, 50)


def test_the_largest_jobs_that_may_be_asked_for_are_known() -> None:
    assert (
        len(KnownPrimes(job_sizes.KNOWN_BOUND).first(job_sizes.LARGE.most, job_sizes.LARGEST_START))
        == job_sizes.LARGE.most
    )
    huge = KnownPrimes(job_sizes.KNOWN_BOUND_WITH_HUGE)
    assert len(huge.first(job_sizes.HUGE.most, job_sizes.LARGEST_START)) == job_sizes.HUGE.most


def test_half_of_all_jobs_start_at_two_and_the_rest_anywhere() -> None:
    random = Random(3)
    starts = [job_sizes.start(random) for _ in range(1_000)]
    assert 400 < starts.count(2) < 600
    assert max(starts) > 900_000
