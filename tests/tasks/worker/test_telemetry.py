"""A job is one trace, and its durations are measured."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from observability.buckets import MILLISECONDS
from tasks.worker import telemetry
from tests.clients import data, finished_job
from tests.waiting import wait_until

if TYPE_CHECKING:
    import pytest

    from tests.conftest import TracedSystem

TASKS = "prime.task.duration"


def test_job_is_one_trace_from_the_request_to_its_end(traced: TracedSystem) -> None:
    trace_id = finished_trace(traced, 20_000)
    received = traced.received
    names = {
        "mutation generatePrimes": 1,
        "send large": 1,
        "process large": 1,
        "claim_segment": 1,
        "compute": 1,
        "store": 1,
        "claim_next_segment": 1,
        "complete_segment": 1,
        "job": 1,
    }
    wait_until(lambda: Counter({name: n for name, n in received.names(trace_id).items() if name != "deliver"}) == names)
    spans = {span.name: span for span in received.trace(trace_id)}
    parents = {
        "send large": "mutation generatePrimes",
        "process large": "send large",
        "job": "send large",
        "claim_segment": "process large",
        "compute": "process large",
        "store": "process large",
        "claim_next_segment": "process large",
        "complete_segment": "process large",
    }
    assert {child: spans[child].parent_id for child in parents} == {
        child: spans[parent].span_id for child, parent in parents.items()
    }
    assert spans["job"].attributes["job.status"] == "SUCCEEDED"
    assert spans["process large"].attributes["task.outcome"] == "done"


def test_messages_of_a_signalled_worker_are_json(capfd: pytest.CaptureFixture[str]) -> None:
    telemetry._say("\nworker: Warm shutdown (MainProcess)", sys.__stdout__)  # noqa: SLF001 - as Celery calls it
    line = json.loads(capfd.readouterr().err)
    assert (line["level"], line["message"]) == ("WARNING", "worker: Warm shutdown (MainProcess)")


def finished_trace(traced: TracedSystem, count: int) -> str:
    query = "query ($id: ID!) { job(id: $id) { ... on Job { traceId } } }"
    found: str = data(traced.system, query, id=finished_job(traced.system, count))["job"]["traceId"]
    return found


def test_durations_have_the_documented_buckets_and_units(traced: TracedSystem) -> None:
    finished_job(traced.system, 100)
    received = traced.received
    wait_until(lambda: received.total(TASKS, prime_size_class="1e2") >= 1)
    assert (received.bounds[TASKS], received.units[TASKS]) == (MILLISECONDS, "ms")
    for name in ("job.duration", "job.run.duration", "job.queue.duration", "messaging.process.duration"):
        assert received.units[name] == "s"
        assert received.total(name) >= 1
