"""Job ids, segments, limits, and what follows from the fields of a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tasks.engine import PrimeOutOfRangeError, primes_from
from tasks.jobs import (
    LARGEST_PRIME,
    SEGMENT_PRIMES,
    Failure,
    FailureReason,
    Job,
    JobStatus,
    ResultState,
    is_job_id,
    max_start_for,
    segment_count,
    segment_length,
)

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
ID = "01945b7e-1c2d-7abc-8def-0123456789ab"


def after(seconds: float) -> datetime:
    return CREATED_AT + timedelta(seconds=seconds)


def job(**changed: Any) -> Job:
    """A queued job, ten seconds old."""
    usual: dict[str, Any] = {"status": JobStatus.QUEUED, "version": 1, "count": 100, "start": 2, "done": 0}
    times = {"created_at": CREATED_AT, "read_at": after(10)}
    return Job(**{"id": ID, **usual, **times, "attempt": 1, "max_attempts": 3, **changed})


def test_largest_prime_is_the_last_below_2_to_the_53() -> None:
    assert primes_from(LARGEST_PRIME, 1).tolist() == [LARGEST_PRIME]
    with pytest.raises(PrimeOutOfRangeError):
        primes_from(LARGEST_PRIME + 1, 1)


@pytest.mark.parametrize("count", [2, 3, 10, 100, 10_000, 2**17, SEGMENT_PRIMES])
def test_primes_from_the_max_start_fit_below_2_to_the_53(count: int) -> None:
    assert primes_from(max_start_for(count), count)[-1] <= LARGEST_PRIME


def test_primes_from_the_max_start_fit_for_every_small_count() -> None:
    """Large prime gaps matter most for small counts."""
    counts = np.arange(2, 3000)
    # All primes from there up to LARGEST_PRIME.
    low, fitting, too_many = max_start_for(3000), 3000, 5000
    while too_many - fitting > 1:
        middle = (fitting + too_many) // 2
        try:
            primes_from(low, middle)
        except PrimeOutOfRangeError:
            too_many = middle
        else:
            fitting = middle
    primes = primes_from(low, fitting)
    assert primes[-1] == LARGEST_PRIME
    starts = np.array([max_start_for(int(count)) for count in counts], dtype=np.uint64)
    assert np.all(primes.size - np.searchsorted(primes, starts) >= counts)


def test_max_start_decreases_with_count() -> None:
    starts = [max_start_for(count) for count in (1, 2, 3, 10, SEGMENT_PRIMES)]
    assert starts == sorted(starts, reverse=True)


def test_segments_cover_a_job_exactly() -> None:
    for count in (1, SEGMENT_PRIMES - 1, SEGMENT_PRIMES, SEGMENT_PRIMES + 1, 5 * SEGMENT_PRIMES, 10**9):
        lengths = [segment_length(count, index) for index in range(segment_count(count))]
        assert sum(lengths) == count
        assert min(lengths) >= 1
        assert max(lengths) <= SEGMENT_PRIMES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        ID.upper(),
        ID[:-1],
        ID + "0",
        f" {ID}",
        f"{ID}\n",
        "0" * 10_000,
        ID.replace("7abc", "4abc"),
        f"{{{ID}}}",
    ],
)
def test_job_id_must_be_a_canonical_uuid7(text: str) -> None:
    assert is_job_id(ID)
    assert not is_job_id(text)


def test_three_statuses_are_final() -> None:
    assert {status for status in JobStatus if status.is_final} == {
        JobStatus.SUCCEEDED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    }


def test_queued_time_grows_until_the_first_claim() -> None:
    assert job().queued_for == timedelta(seconds=10)
    assert job(read_at=after(11)).queued_for == timedelta(seconds=11)
    assert job(started_at=after(3), finished_at=after(8)).queued_for == timedelta(seconds=3)


def test_job_cancelled_while_queued_never_ran() -> None:
    cancelled = job(status=JobStatus.CANCELLED, finished_at=after(4))
    assert cancelled.queued_for == timedelta(seconds=4)
    assert cancelled.ran_for is None


def test_run_time_grows_until_the_job_ends() -> None:
    assert job().ran_for is None
    assert job(status=JobStatus.RUNNING, started_at=after(3)).ran_for == timedelta(seconds=7)
    ended = job(status=JobStatus.SUCCEEDED, started_at=after(3), finished_at=after(8))
    assert ended.ran_for == timedelta(seconds=5)


def test_remaining_time_is_estimated_from_progress() -> None:
    running = {"status": JobStatus.RUNNING, "started_at": after(0)}
    assert job(**running, done=20).remaining == timedelta(seconds=40)
    assert job(**running, done=100).remaining == timedelta(0)


def test_remaining_time_is_unknown_without_progress_and_after_the_end() -> None:
    assert job().remaining is None
    assert job(status=JobStatus.RUNNING, started_at=after(1)).remaining is None
    ended = {"started_at": after(1), "finished_at": after(2), "done": 100}
    assert job(status=JobStatus.SUCCEEDED, **ended).remaining is None
    # An attempt was lost: the job is queued again.
    assert job(started_at=after(1), done=50).remaining is None


@pytest.mark.parametrize(
    ("changed", "state", "readable"),
    [
        ({}, ResultState.EMPTY, 0),
        ({"status": JobStatus.RUNNING, "done": 50}, ResultState.EMPTY, 0),
        ({"status": JobStatus.RUNNING, "available": 60}, ResultState.PARTIAL, 60),
        ({"status": JobStatus.CANCELLED, "available": 60}, ResultState.PARTIAL, 60),
        ({"status": JobStatus.FAILED}, ResultState.EMPTY, 0),
        ({"status": JobStatus.SUCCEEDED, "available": 100}, ResultState.COMPLETE, 100),
        (
            {"status": JobStatus.SUCCEEDED, "available": 100, "result_expires_at": after(10.001)},
            ResultState.COMPLETE,
            100,
        ),
        ({"status": JobStatus.SUCCEEDED, "available": 100, "result_expires_at": after(10)}, ResultState.EXPIRED, 0),
    ],
)
def test_result_state_follows_from_status_prefix_and_expiry(
    changed: dict[str, Any], state: ResultState, readable: int
) -> None:
    found = job(**changed)
    assert (found.result_state, found.readable) == (state, readable)


def test_every_failure_but_a_timeout_is_retryable() -> None:
    retryable = {reason for reason in FailureReason if Failure(reason, "text").retryable}
    assert retryable == set(FailureReason) - {FailureReason.TIMEOUT}
