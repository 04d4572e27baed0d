"""The table of metrics says what is told: no more, no less, and by the same words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from observability.buckets import MILLISECONDS, SECONDS
from tasks.jobs import FailureReason, JobStatus
from tests.clients import data, finished_job
from tests.observability import contract
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.conftest import TracedSystem

TABLE = contract.rows()

# Told when something went wrong; each has its own test.
OF_TROUBLE = {
    "job.feed.reconnects",
    "segment.leases.expired",
    "segment.messages.resent",
    "segment.writes.fenced",
    "job.events.folded",
}

PAGE = "query ($id: ID!) { job(id: $id) { ... on Job { result { primes(first: 5) { values } } } } }"
FOLLOW = "subscription ($id: ID!) { jobUpdates(id: $id) { __typename } }"


@pytest.fixture
def received(traced: TracedSystem) -> TracedSystem:
    """A system of which all has been used that tells anything."""

    def lagged() -> bool:
        for count in (10, 20_000):
            job = finished_job(traced.system, count)
        data(traced.system, PAGE, id=job)
        body = {"query": FOLLOW, "variables": {"id": job}}
        httpx.post(traced.system.graphql, json=body, headers={"Accept": "text/event-stream"})
        httpx.get(f"{traced.system.url}/status/{job}")
        return traced.received.total("job.event.lag") > 0

    wait_until(lagged)
    traced.received.catch_up()
    return traced


def test_all_that_is_told_is_in_the_table_and_the_other_way_round(received: TracedSystem) -> None:
    promised = {name for name, row in TABLE.items() if row.tellers != "load test"}
    names = set(received.received.kinds)
    assert names - promised == set()
    assert promised - names <= OF_TROUBLE


def test_kinds_units_and_buckets_are_those_of_the_table(received: TracedSystem) -> None:
    names = set(received.received.kinds)
    assert {name: (received.received.kinds[name], received.received.units[name]) for name in names} == {
        name: (TABLE[name].kind, TABLE[name].unit) for name in names
    }
    buckets = {"SEC": SECONDS, "FINE": MILLISECONDS}
    assert received.received.bounds == {name: buckets[TABLE[name].buckets] for name in names if TABLE[name].buckets}


def test_attributes_and_their_values_are_those_of_the_table(received: TracedSystem) -> None:
    assert {key for row in TABLE.values() for key, words in row.attributes.items() if words} >= {"job.queue"}
    for name in received.received.kinds:
        promised = TABLE[name].attributes
        for series in received.received.series_of(name):
            labels = dict(series)
            assert labels.keys() <= promised.keys(), name
            for key, value in labels.items():
                words = promised[key]
                assert words is None or value in words, (name, key, value)


def test_words_are_those_of_the_code() -> None:
    finished = TABLE["job.finished"].attributes
    assert finished["job.status"] == frozenset(status.value for status in JobStatus if status.is_final)
    assert finished["job.failure.reason"] == frozenset(reason.value for reason in FailureReason)
    script = (ROOT / "tasks/storage/lua/submit_job.lua").read_text(encoding="utf-8")
    outcomes = re.findall(r"increment_counter\('submissions', ARGS\.queue, '(\w+)'\)", script)
    assert TABLE["job.submissions"].attributes["job.outcome"] == frozenset({*outcomes, "replayed", "conflict"})


@pytest.mark.parametrize(("name", "bounds"), [("SEC", SECONDS), ("FINE", MILLISECONDS)])
def test_bounds_are_written_down_as_they_are(name: str, bounds: tuple[float, ...]) -> None:
    text = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
    (listed,) = re.findall(rf"{name} is ([\d.\s]+?)\s(?:milli)?seconds", text)
    assert tuple(map(float, listed.split())) == bounds
