"""The GraphQL operations that users send, and how their responses are read.

Failures have short names without ids, so that equal failures are counted together.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

from loadtest.users.final_events import Update

SUBMIT = """mutation Submit($input: GeneratePrimesInput!) {
  generatePrimes(input: $input, waitMs: 0) {
    __typename ... on GeneratePrimesAccepted { job { id } } ... on UserError { code }
  }
}"""

CANCEL = """mutation Cancel($id: ID!) {
  cancelJob(id: $id) { __typename ... on UserError { code } }
}"""

STATE = """query State($id: ID!) {
  job(id: $id) { isFinal }
}"""

PAGE = """query Page($id: ID!, $offset: Int!, $size: Int!, $index: Int!) {
  job(id: $id) {
    result { available first last at(index: $index) primes(offset: $offset, first: $size) { values } }
  }
}"""

FOLLOW = """subscription Follow($id: ID!, $after: Int) {
  jobUpdates(id: $id, afterVersion: $after) {
    __typename ... on JobUpdate { job { id version status isFinal finishedAt } } ... on UserError { code }
  }
}"""

# The server's default limit.
MAX_PAGE_SIZE = 1_000

# Ids and numbers in a server's message would make every failure unique.
_VARIABLE_PARTS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


class OperationError(Exception):
    """An operation failed. The message names the failure and has no ids in it."""


def response_data(response: object) -> dict[str, Any]:
    """The data of a GraphQL response.

    Raises:
        OperationError: the response has errors, whatever its HTTP status, or is not a GraphQL response.
    """
    if not isinstance(response, dict):
        raise OperationError("not a GraphQL response")
    if errors := response.get("errors"):
        message = _VARIABLE_PARTS.sub("…", str(errors[0].get("message")))
        raise OperationError(f"GraphQL error: {message[:200]}")
    data = response.get("data")
    if not isinstance(data, dict):
        raise OperationError("no data")
    return data


def expect_type(member: dict[str, Any], *expected: str) -> dict[str, Any]:
    """A union member of one of the expected types.

    Raises:
        OperationError: the member has another type, which names the failure.
    """
    typename: str = member["__typename"]
    if typename not in expected:
        raise OperationError(typename)
    return member


def parse_update(response: object) -> Update:
    """An event of FOLLOW that arrived now."""
    arrived, arrived_at = time.perf_counter(), datetime.now(UTC)
    job = expect_type(response_data(response)["jobUpdates"], "JobUpdate")["job"]
    finished_at = job["finishedAt"]
    return Update(
        job_id=job["id"],
        version=job["version"],
        status=job["status"],
        is_final=job["isFinal"],
        finished_at=datetime.fromisoformat(finished_at) if finished_at else None,
        arrived=arrived,
        arrived_at=arrived_at,
    )
