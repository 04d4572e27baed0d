"""The system exports exactly the metrics in the table of docs/observability.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from observability.buckets import MILLISECONDS, SECONDS
from tasks.jobs import FailureReason, JobStatus
from tests.clients import data, finished_job
from tests.observability import documented_metrics
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.conftest import TracedSystem

TABLE = documented_metrics.rows()

# Exported only after a fault; each has its own test.
FAULT_METRICS = {
    "job.feed.reconnects",
    "segment.leases.expired",
    "segment.messages.resent",
    "segment.writes.fenced",
    "job.events.folded",
}

PAGE = "query ($id: ID!) { job(id: $id) { ... on Job { result { primes(first: 5) { values } } } } }"
FOLLOW = "subscription ($id: ID!) { jobUpdates(id: $id) { __typename } }"


@pytest.fixture
def used_system(traced: TracedSystem) -> TracedSystem:
    """A system after every feature that exports metrics has been used."""

    def has_event_lag() -> bool:
        for count in (10, 20_000):
            job = finished_job(traced.system, count)
        data(traced.system, PAGE, id=job)
        body = {"query": FOLLOW, "variables": {"id": job}}
        httpx.post(traced.system.graphql, json=body, headers={"Accept": "text/event-stream"})
        httpx.get(f"{traced.system.url}/status/{job}")
        return traced.received.total("job.event.lag") > 0

    wait_until(has_event_lag)
    # The API reads the counters in the store at most once per second, so an export can be older than the jobs.
    wait_until(lambda: traced.received.total("job.finished") > 0)
    traced.received.catch_up()
    return traced


def test_exported_metrics_are_exactly_the_documented_ones(used_system: TracedSystem) -> None:
    documented = {name for name, row in TABLE.items() if row.reported_by != "load test"}
    names = set(used_system.received.kinds)
    assert names - documented == set()
    assert documented - names <= FAULT_METRICS


def test_kinds_units_and_buckets_are_the_documented_ones(used_system: TracedSystem) -> None:
    names = set(used_system.received.kinds)
    assert {name: (used_system.received.kinds[name], used_system.received.units[name]) for name in names} == {
        name: (TABLE[name].kind, TABLE[name].unit) for name in names
    }
    buckets = {"SEC": SECONDS, "FINE": MILLISECONDS}
    assert used_system.received.bounds == {name: buckets[TABLE[name].buckets] for name in names if TABLE[name].buckets}


def test_attributes_and_their_values_are_the_documented_ones(used_system: TracedSystem) -> None:
    assert {key for row in TABLE.values() for key, values in row.attributes.items() if values} >= {"job.queue"}
    for name in used_system.received.kinds:
        documented = TABLE[name].attributes
        for series in used_system.received.series_of(name):
            labels = dict(series)
            assert labels.keys() <= documented.keys(), name
            for key, value in labels.items():
                values = documented[key]
                assert values is None or value in values, (name, key, value)


def test_documented_values_match_the_enums() -> None:
    finished = TABLE["job.finished"].attributes
    assert finished["job.status"] == frozenset(status.value for status in JobStatus if status.is_final)
    assert finished["job.failure.reason"] == frozenset(reason.value for reason in FailureReason)
    script = (ROOT / "tasks/storage/lua/submit_job.lua").read_text(encoding="utf-8")
    outcomes = re.findall(r"increment_counter\('submissions', ARGS\.queue, '(\w+)'\)", script)
    assert TABLE["job.submissions"].attributes["job.outcome"] == frozenset({*outcomes, "replayed", "conflict"})


@pytest.mark.parametrize(("name", "bounds"), [("SEC", SECONDS), ("FINE", MILLISECONDS)])
def test_bucket_bounds_are_the_documented_ones(name: str, bounds: tuple[float, ...]) -> None:
    text = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
    (listed,) = re.findall(rf"{name} is ([\d.\s]+?)\s(?:milli)?seconds", text)
    assert tuple(map(float, listed.split())) == bounds
