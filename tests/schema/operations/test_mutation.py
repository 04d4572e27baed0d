"""Mutations against a running system: accepted requests, and each expected failure."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients import ACCEPTED, data, error, finished_job, post

if TYPE_CHECKING:
    from tests.conftest import System

SUBMIT = """mutation ($input: GeneratePrimesInput!, $waitMs: Int! = 0) {
    generatePrimes(input: $input, waitMs: $waitMs) {
        __typename
        ... on GeneratePrimesAccepted { outcome job { id status count start idempotencyKey primes { values } } }
        ... on ValidationError { issues { path message min max } }
        ... on IdempotencyConflict { existing { id } }
        ... on UserError { code message retryable }
    }
}"""


def submit(system: System, wait_ms: int = 0, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = data(system, SUBMIT, input=arguments, waitMs=wait_ms)["generatePrimes"]
    return answer


def test_wait_returns_a_small_job_finished_in_the_same_response(system: System) -> None:
    answer = submit(system, wait_ms=10_000, count=10)
    assert answer["__typename"] == "GeneratePrimesAccepted"
    assert answer["outcome"] == "CREATED"
    assert answer["job"]["status"] == "SUCCEEDED"
    assert answer["job"]["primes"]["values"] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]


def test_job_can_start_at_any_number(system: System) -> None:
    answer = submit(system, wait_ms=10_000, count=3, start="1000000000000")
    assert answer["job"]["primes"]["values"] == [1_000_000_000_039, 1_000_000_000_061, 1_000_000_000_063]
    assert answer["job"]["start"] == 1_000_000_000_000


def test_largest_supported_prime_can_be_requested(system: System) -> None:
    answer = submit(system, wait_ms=20_000, count=1, start=9_007_199_254_740_881)
    assert answer["job"]["primes"]["values"] == [9_007_199_254_740_881]


MAX_COUNT, MAX_START = 100_000_000, 9_007_199_254_740_881


@pytest.mark.parametrize(
    ("arguments", "field", "message", "bounds"),
    [
        ({"count": 0}, "count", "count is 0, must be 1 to 100000000", (1, MAX_COUNT)),
        ({"count": -1}, "count", "count is -1, must be 1 to 100000000", (1, MAX_COUNT)),
        ({"count": 2**31 - 1}, "count", "count is 2147483647, must be 1 to 100000000", (1, MAX_COUNT)),
        ({"count": 1, "start": -5}, "start", "start is -5, must be 0 to 9007199254740881", (0, MAX_START)),
        ({"count": 1, "start": 2**53 - 1}, "start", "must be 0 to 9007199254740881", (0, MAX_START)),
        ({"count": 1, "idempotencyKey": "a b"}, "idempotencyKey", "idempotencyKey has 3 characters", (None, None)),
    ],
    ids=str,
)
def test_validation_error_names_argument_value_and_bound(
    system: System, arguments: dict[str, Any], field: str, message: str, bounds: tuple[int | None, int | None]
) -> None:
    answer = submit(system, **arguments)
    assert (answer["__typename"], answer["code"], answer["retryable"]) == ("ValidationError", "VALIDATION", False)
    [issue] = answer["issues"]
    assert issue["path"] == ["input", field]
    assert message in issue["message"]
    assert (issue["min"], issue["max"]) == bounds


def test_validation_error_has_one_issue_per_argument(system: System) -> None:
    answer = submit(system, count=0, start=-1, idempotencyKey="")
    assert [issue["path"][-1] for issue in answer["issues"]] == ["count", "start", "idempotencyKey"]


def test_wait_out_of_bounds_is_an_issue_and_submits_no_job(system: System) -> None:
    key = uuid.uuid4().hex
    answer = submit(system, wait_ms=30_001, count=10, idempotencyKey=key)
    assert answer["issues"] == [
        {"path": ["waitMs"], "message": "waitMs is 30001, must be 0 to 30000", "min": 0, "max": 30_000}
    ]
    assert submit(system, count=10, idempotencyKey=key)["outcome"] == "CREATED"


@pytest.mark.parametrize("count", [2**31, 1.5, "10", None, True, [], {}], ids=repr)
def test_count_of_the_wrong_type_is_a_request_error(system: System, count: object) -> None:
    answer = post(system, SUBMIT, input={"count": count})
    assert "data" not in answer or answer["data"] is None
    assert "$input" in answer["errors"][0]["message"] or "input.count" in answer["errors"][0]["message"]


def test_missing_count_is_a_request_error(system: System) -> None:
    assert "count" in post(system, SUBMIT, input={})["errors"][0]["message"]


def test_same_idempotency_key_and_arguments_return_the_same_job(system: System) -> None:
    key = uuid.uuid4().hex
    first = submit(system, wait_ms=10_000, count=10, idempotencyKey=key)
    second = submit(system, count=10, idempotencyKey=key)
    assert (first["outcome"], second["outcome"]) == ("CREATED", "REPLAYED")
    assert second["job"] == first["job"]
    assert second["job"]["idempotencyKey"] == key


@pytest.mark.parametrize("other", [{"count": 11}, {"count": 10, "start": 3}])
def test_same_idempotency_key_with_other_arguments_conflicts(system: System, other: dict[str, Any]) -> None:
    key = uuid.uuid4().hex
    first = submit(system, count=10, idempotencyKey=key)
    answer = submit(system, **other, idempotencyKey=key)
    assert (answer["__typename"], answer["code"]) == ("IdempotencyConflict", "IDEMPOTENCY_CONFLICT")
    assert answer["existing"]["id"] == first["job"]["id"]


FIELD = f"generatePrimes(input: {{count: 1}}) {{ {ACCEPTED} }}"


@pytest.mark.parametrize(
    "document",
    [
        f"mutation {{ a: {FIELD} b: {FIELD} }}",
        f"mutation {{ a: {FIELD} ... @skip(if: true) {{ b: {FIELD} }} }}",
        f"mutation {{ ... @include(if: true) {{ a: {FIELD} }} ... @include(if: false) {{ b: {FIELD} }} }}",
        f"mutation {{ a: {FIELD} ...F }} fragment F on Mutation {{ b: {FIELD} }}",
        f"mutation {{ a: {FIELD} ...F }} fragment F on Mutation {{ ...G }} fragment G on Mutation {{ b: {FIELD} }}",
        f"mutation {{ ... {{ a: {FIELD} }} ... on Mutation {{ b: {FIELD} }} }}",
        f"mutation {{ {FIELD} {FIELD} }}",
    ],
)
def test_document_with_two_submissions_is_refused(system: System, document: str) -> None:
    found = error(system, document)
    assert "generatePrimes may occur once in a document" in found["message"]


def test_submission_in_a_fragment_spread_twice_creates_one_job(system: System) -> None:
    before = data(system, "{ jobs(first: 0) { totalCount } }")["jobs"]["totalCount"]
    spread = f"mutation {{ ...F ...F @include(if: true) }} fragment F on Mutation {{ {FIELD} }}"
    assert data(system, spread)["generatePrimes"]["outcome"] == "CREATED"
    assert data(system, "{ jobs(first: 0) { totalCount } }")["jobs"]["totalCount"] == before + 1


def test_concurrent_submissions_with_one_key_create_one_job(system: System) -> None:
    key = uuid.uuid4().hex
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: submit(system, count=10, idempotencyKey=key), range(40)))
    assert len({answer["job"]["id"] for answer in answers}) == 1
    assert sorted(answer["outcome"] for answer in answers) == ["CREATED"] + ["REPLAYED"] * 39


CANCEL = """mutation ($id: ID!) { cancelJob(id: $id) {
    __typename ... on CancelJobAccepted { job { status isFinal finishedAt } }
    ... on JobAlreadyFinished { job { status } } ... on JobNotFound { id } ... on UserError { code message }
} }"""
RETRY = """mutation ($id: ID!) { retryJob(id: $id) {
    __typename ... on RetryJobAccepted { job { id count start retryOf { id status } } }
    ... on JobNotRetryable { job { status } } ... on JobNotFound { id } ... on UserError { code message }
} }"""


@pytest.mark.parametrize(("mutation", "field"), [(CANCEL, "cancelJob"), (RETRY, "retryJob")])
@pytest.mark.parametrize("job_id", ["01945b7e-1c2d-7abc-8def-0123456789ab", "x", "y" * 10_000])
def test_unknown_id_returns_job_not_found(system: System, mutation: str, field: str, job_id: str) -> None:
    answer = data(system, mutation, id=job_id)[field]
    assert (answer["__typename"], answer["code"]) == ("JobNotFound", "JOB_NOT_FOUND")
    assert answer["id"][:64] == job_id[:64]
    assert len(answer["message"]) < 200


def test_succeeded_job_can_be_neither_cancelled_nor_retried(system: System) -> None:
    job_id = finished_job(system, 10)
    cancelled = data(system, CANCEL, id=job_id)["cancelJob"]
    retried = data(system, RETRY, id=job_id)["retryJob"]
    assert (cancelled["__typename"], cancelled["job"]) == ("JobAlreadyFinished", {"status": "SUCCEEDED"})
    assert (retried["__typename"], retried["job"]) == ("JobNotRetryable", {"status": "SUCCEEDED"})
