"""The metrics of operations: by the schema's field names, and by outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.clients import data, error, finished_job
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.conftest import TracedSystem

DURATION = "graphql.server.operation.duration"


def recorded(traced: TracedSystem, field: str, **attributes: str) -> float:
    return traced.received.total(DURATION, graphql_root_field=field, **attributes)


@pytest.mark.parametrize(
    ("query", "field", "kind", "outcome"),
    [
        ("query Named { alias: limits { maxCount } }", "limits", "query", None),
        ("{ system { queue { queued } } limits { maxCount } }", "system", "query", None),
        ("fragment F on Query { limits { maxCount } } query { ...F }", "_invalid", "query", None),
        ("{ nope }", "_invalid", "query", "INVALID"),
        ("{ limits", "_invalid", "query", "INVALID"),
        ("{ jobs(first: 100000) { totalCount } }", "jobs", "query", "INVALID"),
        (
            "mutation { generatePrimes(input: {count: 0}) { __typename } }",
            "generatePrimes",
            "mutation",
            "ValidationError",
        ),
        ('mutation { cancelJob(id: "none") { __typename } }', "cancelJob", "mutation", "JobNotFound"),
        ("mutation { generatePrimes(input: {count: 5}) { __typename } }", "generatePrimes", "mutation", None),
    ],
)
def test_operation_is_recorded_once_by_field_and_outcome(
    traced: TracedSystem, query: str, field: str, kind: str, outcome: str | None
) -> None:
    traced.received.catch_up()
    attributes = {"graphql_operation_type": kind} | ({"error_type": outcome} if outcome else {})
    before, total = recorded(traced, field, **attributes), traced.received.total(DURATION)
    httpx.post(traced.system.graphql, json={"query": query})
    wait_until(lambda: traced.received.total(DURATION) > total)
    assert recorded(traced, field, **attributes) == before + 1
    assert traced.received.total(DURATION) == total + 1


def test_request_span_is_named_after_the_operation(traced: TracedSystem) -> None:
    data(traced.system, "query ByClient { limits { maxCount } }")

    def named() -> bool:
        found = [span for span in traced.received.spans if span.attributes.get("graphql.operation.name") == "ByClient"]
        return [span.name for span in found] == ["query limits"]

    wait_until(named)


def test_subscription_has_its_own_duration_and_counts_as_active_while_open(traced: TracedSystem) -> None:
    job_id = finished_job(traced.system, 10)
    query = "subscription ($id: ID!) { jobUpdates(id: $id) { __typename } }"
    received = traced.received
    received.catch_up()
    before = received.total("graphql.server.subscription.duration")
    operations = received.total(DURATION)
    stats = {"query": "subscription { systemStats(intervalMs: 100) { at } }"}
    accept = {"Accept": "text/event-stream"}
    active = {"graphql_root_field": "systemStats"}
    with httpx.stream("POST", traced.system.graphql, json=stats, headers=accept) as stream:
        # Kept, since the connection is closed with the iterator.
        lines = stream.iter_lines()
        next(lines)
        wait_until(lambda: received.total("graphql.server.active_subscriptions", **active) == 1)
    wait_until(lambda: received.total("graphql.server.active_subscriptions", **active) == 0)
    httpx.post(traced.system.graphql, json={"query": query, "variables": {"id": job_id}}, headers=accept)
    wait_until(lambda: received.total("graphql.server.subscription.duration") == before + 2)
    assert received.total(DURATION) == operations


def test_page_size_out_of_bounds_is_recorded_as_invalid_not_internal(traced: TracedSystem) -> None:
    assert error(traced.system, "{ jobs(first: -1) { totalCount } }")
    wait_until(lambda: recorded(traced, "jobs", error_type="INVALID") >= 1)
    assert recorded(traced, "jobs", error_type="INTERNAL") == 0
