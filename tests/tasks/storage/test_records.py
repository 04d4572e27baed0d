"""Records and replies of scripts are parsed into the domain's types."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tasks.errors import BackendUnavailable
from tasks.jobs import Failure, FailureReason, JobStatus, Worker
from tasks.storage import records

ID = "01945b7e-1c2d-7abc-8def-0123456789ab"
REQUIRED = {
    "format": "1",
    "id": ID,
    "status": "QUEUED",
    "version": "3",
    "count": "10",
    "start": "9007199254740881",
    "done": "0",
    "prefix": "0",
    "created_at": "1700000000123",
    "attempt": "1",
    "max_attempts": "3",
}


def named(**fields: Any) -> list[Any]:
    """Named fields as a script returns them."""
    return [part for name, value in fields.items() for part in (name.encode(), value)]


def snapshot(*, position: int | None = 0, **changed: str) -> list[Any]:
    record = {**REQUIRED, **changed}
    encoded = named(**{name: value.encode() for name, value in record.items()})
    return named(now=1_700_000_001_000, position=position, record=encoded)


def test_record_is_parsed_without_loss_of_digits() -> None:
    job = records.parse_job(snapshot())
    assert (job.id, job.status, job.version, job.count, job.done) == (ID, JobStatus.QUEUED, 3, 10, 0)
    assert job.start == 9007199254740881
    assert job.created_at == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    assert job.read_at == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    assert job.queue_position == 0
    assert (job.started_at, job.finished_at, job.failure, job.retry_of, job.first, job.sha256) == (None,) * 6


def test_checksum_is_the_digest_of_the_joined_digests_of_all_segments() -> None:
    digests = [hashlib.sha256(segment).digest() for segment in (b"one", b"two", b"three")]
    job = records.parse_job(snapshot(status="SUCCEEDED", digests=b"".join(digests).hex()))
    assert job.sha256 == hashlib.sha256(digests[0] + digests[1] + digests[2]).hexdigest()


def test_checksum_of_an_older_version_is_not_returned() -> None:
    """It was over all primes, not over the digests of segments."""
    assert records.parse_job(snapshot(status="SUCCEEDED", sha256="ab" * 32)).sha256 is None


def test_job_that_is_not_queued_has_no_position() -> None:
    assert records.parse_job(snapshot(position=None)).queue_position is None


def test_failure_is_parsed_with_reason_and_message() -> None:
    job = records.parse_job(snapshot(status="FAILED", failure_reason="WORKER_LOST", failure_message="7"))
    assert job.failure == Failure(FailureReason.WORKER_LOST, "7")


def test_record_of_a_newer_format_is_refused_with_its_number() -> None:
    with pytest.raises(BackendUnavailable, match=f"job {ID} has record format 2, this server's version reads 1"):
        records.parse_job(snapshot(format="2"))


@examples(max_examples=50, deadline=None)  # a busy machine is not an error
@example("--5")
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128))
def test_text_fields_are_parsed_unchanged(key: str) -> None:
    job = records.parse_job(snapshot(idempotency_key=key, failure_reason="INTERNAL", failure_message=key))
    assert job.idempotency_key == key
    assert job.failure is not None
    assert job.failure.message == key


def test_worker_names_may_contain_spaces() -> None:
    [worker] = records.parse_workers([records.worker_member("a name@host", 4).encode(), b"1700000000000"])
    assert worker == Worker("a name@host", 4, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))


def test_unknown_queue_figures_are_none() -> None:
    queue = records.parse_queue(named(queued=3, running=1, capacity=10, oldest_ms=None, pace_ms=None))
    assert (queue.queued, queue.running, queue.capacity) == (3, 1, 10)
    assert (queue.oldest_queued_for, queue.estimated_wait) == (None, None)


def test_estimated_wait_is_the_pace_times_the_queued_jobs() -> None:
    queue = records.parse_queue(named(queued=3, running=1, capacity=10, oldest_ms=2500, pace_ms=40))
    assert queue.oldest_queued_for == timedelta(seconds=2.5)
    assert queue.estimated_wait == timedelta(milliseconds=120)
