"""The storage format: what scripts write is what parsers read, and the messages are Celery's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tasks.errors import BackendUnavailable
from tasks.jobs import Failure, FailureReason, JobStatus, Worker
from tasks.requests import PrimesRequest
from tasks.storage import records
from tests.programs import ROOT

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tests.tasks.keys import Keys

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


def snapshot(position: int = 0, **changed: str) -> list[Any]:
    record = {**REQUIRED, **changed}
    return [1_700_000_001_000, position, [part.encode() for pair in record.items() for part in pair]]


def test_a_record_is_read_to_the_last_digit() -> None:
    job = records.parse_job(snapshot())
    assert (job.id, job.status, job.version, job.count, job.done) == (ID, JobStatus.QUEUED, 3, 10, 0)
    assert job.start == 9007199254740881
    assert job.created_at == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    assert job.read_at == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    assert job.queue_position == 0
    assert (job.started_at, job.finished_at, job.failure, job.retry_of, job.first, job.sha256) == (None,) * 6


def test_a_job_that_does_not_wait_has_no_position() -> None:
    assert records.parse_job(snapshot(position=-1)).queue_position is None


def test_a_failure_is_read_with_its_words() -> None:
    job = records.parse_job(snapshot(status="FAILED", failure_reason="WORKER_LOST", failure_message="7"))
    assert job.failure == Failure(FailureReason.WORKER_LOST, "7")


def test_a_record_of_a_later_format_is_refused_by_its_number() -> None:
    with pytest.raises(BackendUnavailable, match=f"job {ID} has record format 2, this server's version reads 1"):
        records.parse_job(snapshot(format="2"))


# What looks like a number to some, and a name that is one of our fields.
@pytest.mark.parametrize("key", ["-", "--5", "-5", "5", "1e9", "0x10", "status", "!~", "9" * 128])
async def test_any_idempotency_key_comes_back_as_it_was(store: JobStore, key: str) -> None:
    job = (await store.submit(PrimesRequest(10, idempotency_key=key))).job
    assert job.idempotency_key == key
    [found] = await store.read([job.id])
    assert found is not None
    assert found.idempotency_key == key


@pytest.mark.parametrize("start", [0, 2, 2**43 + 1, 9007199254740881])
async def test_any_start_survives_the_way_through_lua(store: JobStore, keys: Keys, start: int) -> None:
    job = (await store.submit(PrimesRequest(1, start))).job
    assert job.start == start
    assert keys.record(job.id)["start"] == str(start)


def test_ids_are_uuids_of_version_7_and_never_the_same() -> None:
    tails = {records.new_uuid_tail() for _ in range(1000)}
    assert len(tails) == 1000
    for tail in tails:
        assert uuid.UUID(f"01945b7e-1c2d-{tail}").version == 7
        assert uuid.UUID(f"01945b7e-1c2d-{tail}").variant == uuid.RFC_4122


async def test_a_message_carries_ids_and_trace_context_only(store: JobStore, keys: Keys) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = (await store.submit(PrimesRequest(10), trace)).job
    [message] = keys.messages()
    assert _arguments(message) == [[job.id, 0], {}]
    assert message["headers"]["task"] == records.SEGMENT_TASK
    assert message["headers"]["traceparent"] == trace
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "small"}
    assert "@" not in json.dumps(message)


async def test_each_segment_has_a_message_of_its_own(store: JobStore, keys: Keys) -> None:
    job = (await store.submit(PrimesRequest(3 * 2**20))).job
    messages = keys.messages("large")
    assert [_arguments(message)[0] for message in messages] == [[job.id, 0], [job.id, 1], [job.id, 2]]
    assert len({message["properties"]["delivery_tag"] for message in messages}) == 3


def test_every_process_writes_the_same_message() -> None:
    """Or one process could not take back what another has sent."""
    command = [sys.executable, "-c", "from tasks.storage import records; print(records.message_template(), end='')"]
    for seed in ("1", "2"):
        other = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert other.stdout == records.message_template()


@examples(max_examples=50, deadline=None)  # a busy machine is no defect
@example("--5")
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128))
def test_no_text_in_a_record_is_taken_for_anything_else(key: str) -> None:
    job = records.parse_job(snapshot(idempotency_key=key, failure_reason="INTERNAL", failure_message=key))
    assert job.idempotency_key == key
    assert job.failure is not None
    assert job.failure.message == key


def test_small_jobs_have_a_queue_of_their_own_that_comes_first() -> None:
    assert (records.queue_for(1), records.queue_for(10_000), records.queue_for(10_001)) == ("small", "small", "large")
    assert records.QUEUES == ("small", "large")


def test_workers_are_read_with_names_that_have_spaces() -> None:
    [worker] = records.parse_workers([b"a name@host 4", b"1700000000000"])
    assert worker == Worker("a name@host", 4, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))


def test_queue_figures_that_are_not_known_are_none() -> None:
    queue = records.parse_queue([3, 1, -1, -1], 10)
    assert (queue.queued, queue.running, queue.capacity) == (3, 1, 10)
    assert (queue.oldest_queued_for, queue.estimated_wait) == (None, None)


def test_the_estimated_wait_is_the_pace_of_all_who_are_queued() -> None:
    queue = records.parse_queue([3, 1, 2500, 40], 10)
    assert queue.oldest_queued_for == timedelta(seconds=2.5)
    assert queue.estimated_wait == timedelta(milliseconds=120)


def _arguments(message: dict[str, Any]) -> list[Any]:
    arguments: list[Any] = json.loads(message["body"])[:2]
    return arguments
