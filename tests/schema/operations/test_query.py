"""Queries against a running system."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.clients import data, error, finished_job, post

if TYPE_CHECKING:
    from tests.conftest import System

UNKNOWN_IDS = [
    "01945b7e-1c2d-7abc-8def-0123456789ab",
    str(uuid.UUID(int=0)),
    "not an id",
    "",
    "x" * 10_000,
    "01945b7e-1c2d-7abc-8def-0123456789ab\n",
    "*",
    "\u0000",
]


@pytest.mark.parametrize("job_id", UNKNOWN_IDS, ids=repr)
def test_unknown_id_of_any_form_returns_null(system: System, job_id: str) -> None:
    query = "query ($id: ID!) { job(id: $id) { id } node(id: $id) { id } nodes(ids: [$id]) { id } }"
    assert data(system, query, id=job_id) == {"job": None, "node": None, "nodes": [None]}


@pytest.mark.parametrize("field", ["primes { values }", "result { primes { values } }", "result { at(index: 0) }"])
def test_store_failure_while_reading_primes_is_backend_unavailable(system: System, field: str) -> None:
    """As under load. Here the key of the result has another type, so that the store returns an error."""
    job_id = finished_job(system, 10)
    key = f"{system.prefix}job:{job_id}:result"
    with redis.Redis.from_url(system.valkey.url) as client:
        client.delete(key)
        client.rpush(key, "no bytes")
        client.expire(key, 60)
    found = error(system, f"query ($id: ID!) {{ job(id: $id) {{ {field} }} }}", id=job_id)
    assert found["extensions"]["code"] == "BACKEND_UNAVAILABLE"


def test_job_is_a_node_with_its_id(system: System) -> None:
    job_id = finished_job(system, 10)
    query = """query ($id: ID!) {
        node(id: $id) { __typename id ... on Job { status } } nodes(ids: ["x", $id]) { id }
    }"""
    assert data(system, query, id=job_id) == {
        "node": {"__typename": "Job", "id": job_id, "status": "SUCCEEDED"},
        "nodes": [None, {"id": job_id}],
    }


@pytest.mark.parametrize(("count", "last"), [(1, 2), (10, 29), (5_000, 48_611), (1_048_576, 16_290_047)])
def test_result_has_its_first_and_last_page(system: System, count: int, last: int) -> None:
    query = """query ($id: ID!) { job(id: $id) {
        progress { done total ratio } failure { message } isFinal attempt
        result { state available first last sha256 expiresAt }
        head: primes(first: 3) { values totalCount availableCount offset pageInfo { hasNextPage hasPreviousPage } }
        tail: primes(last: 3) { values offset edges { node { index value } } pageInfo { hasNextPage hasPreviousPage } }
    } }"""
    job = data(system, query, id=finished_job(system, count))["job"]
    assert job["progress"] == {"done": count, "total": count, "ratio": 1}
    assert (job["isFinal"], job["failure"], job["attempt"]) == (True, None, 1)
    result = job["result"]
    assert (result["state"], result["available"], result["first"], result["last"]) == ("COMPLETE", count, 2, last)
    assert len(result["sha256"]) == 64
    head, tail = job["head"], job["tail"]
    assert head["values"] == [2, 3, 5][:count]
    assert (head["totalCount"], head["availableCount"], head["offset"]) == (count, count, 0)
    assert head["pageInfo"] == {"hasNextPage": count > 3, "hasPreviousPage": False}
    assert tail["values"][-1] == last
    assert tail["offset"] == max(0, count - 3)
    assert tail["edges"][-1]["node"] == {"index": count - 1, "value": last}
    assert tail["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": count > 3}


def test_at_and_index_of_work_at_the_edges_of_a_result(system: System) -> None:
    query = """query ($id: ID!) { job(id: $id) { result {
        a: at(index: 0) b: at(index: 4999) c: at(index: 5000) d: at(index: -1) e: at(index: 2147483647)
        f: indexOf(value: 0) g: indexOf(value: 48611) h: indexOf(value: 48612)
        i: indexOf(value: 4) j: indexOf(value: -9)
    } } }"""
    found = data(system, query, id=finished_job(system, 5_000))["job"]["result"]
    assert found == {
        "a": 2, "b": 48_611, "c": None, "d": None, "e": None, "f": 0, "g": 4_999, "h": None, "i": 2, "j": 0,
    }  # fmt: skip


def test_paging_by_cursor_returns_each_prime_once(system: System) -> None:
    query = """query ($id: ID!, $after: String) { job(id: $id) {
        primes(first: 999, after: $after) { values edges { cursor } pageInfo { endCursor hasNextPage } }
    } }"""
    job_id, found, after = finished_job(system, 5_000), [], None
    while True:
        page = data(system, query, id=job_id, after=after)["job"]["primes"]
        found += page["values"]
        after = page["pageInfo"]["endCursor"]
        assert page["edges"][-1]["cursor"] == after
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(found) == len(set(found)) == 5_000
    assert found == sorted(found)
    assert found[-1] == 48_611


def test_page_size_beyond_the_limit_is_an_error_with_a_code(system: System) -> None:
    job_id = finished_job(system, 10)
    found = error(system, "query ($id: ID!) { job(id: $id) { primes(first: 1001) { values } } }", id=job_id)
    assert found["message"] == "first is 1001, must be 0 to 1000"
    assert found["extensions"] == {"code": "VALIDATION"}


@pytest.mark.parametrize("wait_ms", [-1, 30_001, 2**31 - 1])
def test_wait_out_of_bounds_is_an_error_with_a_code(system: System, wait_ms: int) -> None:
    found = error(system, "query ($w: Int!) { job(id: 1, waitMs: $w) { id } }", w=wait_ms)
    assert found["message"] == f"waitMs is {wait_ms}, must be 0 to 30000"
    assert found["extensions"] == {"code": "VALIDATION"}


def test_long_poll_for_a_final_job_returns_at_once(system: System) -> None:
    query = "query ($id: ID!) { job(id: $id, waitMs: 30000, afterVersion: 99) { status } }"
    assert data(system, query, id=finished_job(system, 10))["job"] == {"status": "SUCCEEDED"}


def test_jobs_are_listed_newest_first_across_pages(system: System) -> None:
    made = [finished_job(system, 10) for _ in range(7)]
    query = """query ($first: Int, $after: String, $last: Int, $before: String) {
        jobs(first: $first, after: $after, last: $last, before: $before) {
            totalCount edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
    }"""
    first = data(system, query, first=3)["jobs"]
    second = data(system, query, first=4, after=first["pageInfo"]["endCursor"])["jobs"]
    listed = [edge["node"]["id"] for edge in first["edges"] + second["edges"]]
    assert listed == made[::-1]
    assert first["pageInfo"]["hasPreviousPage"] is False
    assert second["pageInfo"]["hasPreviousPage"] is True
    assert first["totalCount"] >= 7
    back = data(system, query, last=3, before=second["pageInfo"]["startCursor"])["jobs"]
    assert back["edges"] == first["edges"]
    assert (back["pageInfo"]["hasNextPage"], back["pageInfo"]["hasPreviousPage"]) == (True, False)


def test_jobs_are_filtered_by_status_and_time(system: System) -> None:
    job_id = finished_job(system, 10)
    created = data(system, "query ($id: ID!) { job(id: $id) { createdAt } }", id=job_id)["job"]["createdAt"]
    query = "query ($f: JobFilter) { jobs(first: 1000, filter: $f) { totalCount edges { node { id status } } } }"

    def found(**conditions: Any) -> list[str]:
        jobs = data(system, query, f=conditions)["jobs"]
        assert jobs["totalCount"] == len(jobs["edges"])
        return [edge["node"]["id"] for edge in jobs["edges"]]

    assert job_id in found(statuses=["SUCCEEDED"])
    assert job_id not in found(statuses=["FAILED", "CANCELLED"])
    assert found(statuses=[]) == []
    assert job_id not in found(createdAfter=created)
    assert job_id not in found(createdBefore=created)
    assert job_id in found(createdAfter="2020-01-01T00:00:00Z", createdBefore="2999-01-01T00:00:00Z")
    assert found(createdBefore="1960-01-01T00:00:00Z") == []
    assert found(createdAfter="9999-12-31T23:59:59Z") == []


def test_system_has_queue_figures_and_workers(system: System) -> None:
    query = (
        "{ system { at queue { queued running capacity oldestQueuedMs } workers { name concurrency } subscribers } }"
    )
    state = data(system, query)["system"]
    assert state["queue"]["capacity"] == 10_000
    assert [worker["concurrency"] for worker in state["workers"]] == [2]
    assert state["subscribers"] >= 0


def test_limits_are_those_that_are_enforced(system: System) -> None:
    query = (
        "{ limits { maxCount maxStart maxPageSize maxWaitMs resultTtlSeconds jobTtlSeconds idempotencyTtlSeconds } }"
    )
    assert data(system, query)["limits"] == {
        "maxCount": 100_000_000,
        "maxStart": 9_007_199_254_740_881,
        "maxPageSize": 1_000,
        "maxWaitMs": 30_000,
        "resultTtlSeconds": 86_400,
        "jobTtlSeconds": 604_800,
        "idempotencyTtlSeconds": 86_400,
    }


def test_too_many_ids_are_refused(system: System) -> None:
    found = error(system, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["x"] * 1001)
    assert found["message"] == "ids has 1001 items, must have at most 1000"


def test_document_with_too_many_tokens_is_refused(system: System) -> None:
    answer = post(system, "{" + " a" * 2000 + "}")
    assert "1000 tokens" in answer["errors"][0]["message"]
