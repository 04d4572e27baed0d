"""Messages that scripts send are Celery's own, identical in every process, one per segment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tasks.jobs import SEGMENT_PRIMES
from tasks.requests import PrimesRequest
from tasks.storage.messages import QUEUES, SEGMENT_TASK, message_template, queue_for
from tests.programs import ROOT

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tests.tasks.keys import Keys


async def test_message_contains_only_ids_and_trace_context(store: JobStore, keys: Keys) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = (await store.submit_job(PrimesRequest(10), trace)).job
    [message] = keys.messages()
    assert _arguments(message) == [[job.id, 0], {}]
    assert message["headers"]["task"] == SEGMENT_TASK
    assert message["headers"]["traceparent"] == trace
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "small"}
    assert "@" not in json.dumps(message)


async def test_each_segment_has_its_own_message(store: JobStore, keys: Keys) -> None:
    job = (await store.submit_job(PrimesRequest(3 * SEGMENT_PRIMES))).job
    messages = keys.messages("large")
    assert [_arguments(message)[0] for message in messages] == [[job.id, 0], [job.id, 1], [job.id, 2]]
    assert len({message["properties"]["delivery_tag"] for message in messages}) == 3


def test_every_process_produces_the_same_message() -> None:
    """Otherwise a process could not remove messages that another one sent."""
    command = [
        sys.executable,
        "-c",
        "from tasks.storage.messages import message_template; print(message_template(), end='')",
    ]
    for seed in ("1", "2"):
        other = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert other.stdout == message_template()


def test_small_jobs_have_their_own_queue_with_the_highest_priority() -> None:
    assert (queue_for(1), queue_for(10_000), queue_for(10_001)) == ("small", "small", "large")
    assert QUEUES == ("small", "large")


def _arguments(message: dict[str, Any]) -> list[Any]:
    arguments: list[Any] = json.loads(message["body"])[:2]
    return arguments
