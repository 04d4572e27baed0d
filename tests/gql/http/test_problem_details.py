"""Each expected failure has its problem response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from gql.http.problem_details import problem_of
from tasks import errors
from tests.failures import EXAMPLES, JOB, NewFailure, expected_failures

if TYPE_CHECKING:
    from tests.conftest import System

# The status, and the seconds to wait.
TABLE = {
    errors.InvalidRequest: (400, None),
    errors.JobNotFound: (404, None),
    errors.JobAlreadyFinished: (409, None),
    errors.JobNotRetryable: (409, None),
    errors.IdempotencyConflict: (409, None),
    errors.QueueFull: (503, "2"),
    errors.RateLimited: (429, "2"),
    errors.BackendUnavailable: (503, "2"),
    errors.StorePermissionMissing: (503, "1"),
    errors.ResultStoreUnavailable: (503, "1"),
    errors.SegmentMissing: (503, "1"),
    errors.SegmentDamaged: (503, "1"),
}


def test_table_has_every_expected_failure() -> None:
    assert {type(error) for error in EXAMPLES} == expected_failures()
    assert TABLE.keys() == expected_failures()


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_problem_has_status_detail_and_time_to_wait(error: errors.JobError) -> None:
    status, retry_after = TABLE[type(error)]
    response = problem_of(error)
    document = json.loads(bytes(response.body))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers.get("retry-after") == retry_after
    assert document["status"] == status
    assert document["detail"] == str(error)


def test_problem_of_a_conflict_has_the_existing_request() -> None:
    assert json.loads(bytes(problem_of(errors.IdempotencyConflict(JOB)).body))["request_id"] == JOB.id


def test_failure_missing_from_the_table_is_a_server_error() -> None:
    with pytest.raises(NotImplementedError, match="NewFailure has no problem response"):
        problem_of(NewFailure())


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/graphql", "GET, HEAD, POST"),
        ("/generate", "POST"),
        ("/status/unknown", "GET, HEAD"),
        ("/jobs/unknown/primes.csv", "GET, HEAD"),
        ("/static/style.css", "GET, HEAD"),
        ("/docs/assets/swagger-ui.css", "GET, HEAD"),
        ("/explorer/unknown.js", "GET, HEAD"),
    ],
)
def test_405_has_all_methods_of_the_path(system: System, path: str, allowed: str, method: str) -> None:
    response = httpx.request(method, f"{system.url}{path}")
    assert response.headers.get("allow") == (None if method in allowed.split(", ") else allowed)
    assert (response.status_code == 405) == (method not in allowed.split(", "))
