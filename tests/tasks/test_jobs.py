"""The limits of a request and what a job tells about itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tasks.engine import PrimeOutOfRangeError, primes_from
from tasks.errors import FieldIssue, InvalidRequest
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
from tasks.requests import PrimesRequest

BORN = datetime(2026, 1, 1, tzinfo=UTC)
ID = "01945b7e-1c2d-7abc-8def-0123456789ab"


def after(seconds: float) -> datetime:
    return BORN + timedelta(seconds=seconds)


def job(**changed: Any) -> Job:
    """A queued job, ten seconds old."""
    usual: dict[str, Any] = {"status": JobStatus.QUEUED, "version": 1, "count": 100, "start": 2, "done": 0}
    times = {"created_at": BORN, "read_at": after(10)}
    return Job(**{"id": ID, **usual, **times, "attempt": 1, "max_attempts": 3, **changed})


def issues_of(request: PrimesRequest, max_count: int = 1000) -> tuple[FieldIssue, ...]:
    with pytest.raises(InvalidRequest) as refused:
        request.check(max_count)
    assert str(refused.value) == "; ".join(issue.message for issue in refused.value.issues)
    return refused.value.issues


@pytest.mark.parametrize("count", [-(2**70), -1, 0, 1001, 2**53, 2**70])
def test_a_count_out_of_bounds_is_named_with_its_bounds(count: int) -> None:
    [issue] = issues_of(PrimesRequest(count))
    assert issue == FieldIssue(("count",), f"count is {count}, must be 1 to 1000", 1, 1000)


@pytest.mark.parametrize("start", [-1, -(2**70), 2**53, 2**70])
def test_a_start_out_of_bounds_is_named_with_its_bounds(start: int) -> None:
    [issue] = issues_of(PrimesRequest(10, start))
    most = max_start_for(10)
    assert issue == FieldIssue(("start",), f"start is {start}, must be 0 to {most}", 0, most)


@pytest.mark.parametrize("key", ["", "k" * 129, "a key", " k", "k\n", "k\t", "schlüssel", "\x7f", "\u0661"])
def test_an_idempotency_key_that_is_not_1_to_128_visible_ascii_is_refused(key: str) -> None:
    [issue] = issues_of(PrimesRequest(10, idempotency_key=key))
    assert issue.path == ("idempotencyKey",)
    assert issue.message == f"idempotencyKey has {len(key)} characters, must have 1 to 128, all visible ASCII (! to ~)"
    assert (issue.minimum, issue.maximum) == (None, None)


def test_all_that_is_wrong_is_told_at_once() -> None:
    issues = issues_of(PrimesRequest(0, -1, ""))
    assert [issue.path for issue in issues] == [("count",), ("start",), ("idempotencyKey",)]


@pytest.mark.parametrize(
    "request_",
    [
        PrimesRequest(1),
        PrimesRequest(1000),
        PrimesRequest(1, 0),
        PrimesRequest(1, LARGEST_PRIME),
        PrimesRequest(1000, max_start_for(1000)),
        PrimesRequest(1, idempotency_key="k"),
        PrimesRequest(1, idempotency_key="!~" * 64),
    ],
)
def test_a_request_at_its_bounds_is_accepted_as_it_is(request_: PrimesRequest) -> None:
    assert request_.check(1000) is request_


def test_a_request_one_beyond_its_bounds_is_refused() -> None:
    assert issues_of(PrimesRequest(1, LARGEST_PRIME + 1))[0].maximum == LARGEST_PRIME
    assert issues_of(PrimesRequest(1000, max_start_for(1000) + 1))[0].maximum == max_start_for(1000)


def test_the_largest_prime_is_the_last_below_2_to_the_53() -> None:
    assert primes_from(LARGEST_PRIME, 1).tolist() == [LARGEST_PRIME]
    with pytest.raises(PrimeOutOfRangeError):
        primes_from(LARGEST_PRIME + 1, 1)


@pytest.mark.parametrize("count", [2, 3, 10, 100, 10_000, 2**17, SEGMENT_PRIMES])
def test_as_many_primes_as_asked_for_fit_above_the_latest_start(count: int) -> None:
    assert primes_from(max_start_for(count), count)[-1] <= LARGEST_PRIME


def test_for_every_small_count_the_primes_fit_above_the_latest_start() -> None:
    """Where an unusually wide gap weighs most."""
    counts = np.arange(2, 3000)
    # All primes from there to the top: as many as there can be.
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


def test_a_later_start_goes_with_a_smaller_count() -> None:
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
def test_only_a_uuid_of_version_7_in_its_usual_form_can_be_an_id(text: str) -> None:
    assert is_job_id(ID)
    assert not is_job_id(text)


def test_three_statuses_are_final() -> None:
    assert {status for status in JobStatus if status.is_final} == {
        JobStatus.SUCCEEDED,
        JobStatus.FAILED,
        JobStatus.CANCELLED,
    }


def test_the_time_in_the_queue_grows_until_the_first_claim() -> None:
    assert job().queued_for == timedelta(seconds=10)
    assert job(read_at=after(11)).queued_for == timedelta(seconds=11)
    assert job(started_at=after(3), finished_at=after(8)).queued_for == timedelta(seconds=3)


def test_a_job_cancelled_in_the_queue_was_queued_until_then_and_never_ran() -> None:
    cancelled = job(status=JobStatus.CANCELLED, finished_at=after(4))
    assert cancelled.queued_for == timedelta(seconds=4)
    assert cancelled.ran_for is None


def test_the_time_of_running_grows_until_the_end() -> None:
    assert job().ran_for is None
    assert job(status=JobStatus.RUNNING, started_at=after(3)).ran_for == timedelta(seconds=7)
    ended = job(status=JobStatus.SUCCEEDED, started_at=after(3), finished_at=after(8))
    assert ended.ran_for == timedelta(seconds=5)


def test_what_remains_is_told_from_the_pace_so_far() -> None:
    running = {"status": JobStatus.RUNNING, "started_at": after(0)}
    assert job(**running, done=20).remaining == timedelta(seconds=40)
    assert job(**running, done=100).remaining == timedelta(0)


def test_what_remains_is_unknown_before_anything_is_done_and_after_the_end() -> None:
    assert job().remaining is None
    assert job(status=JobStatus.RUNNING, started_at=after(1)).remaining is None
    ended = {"started_at": after(1), "finished_at": after(2), "done": 100}
    assert job(status=JobStatus.SUCCEEDED, **ended).remaining is None
    # An attempt was lost: it waits, and does not run.
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
def test_what_can_be_read_follows_from_status_prefix_and_expiry(
    changed: dict[str, Any], state: ResultState, readable: int
) -> None:
    found = job(**changed)
    assert (found.result_state, found.readable) == (state, readable)


def test_a_failure_is_worth_another_try_unless_the_work_takes_too_long() -> None:
    retryable = {reason for reason in FailureReason if Failure(reason, "text").retryable}
    assert retryable == set(FailureReason) - {FailureReason.TIMEOUT}
