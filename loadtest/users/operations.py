"""The GraphQL operations that people send, and what their answers mean.

A failure is told by a short name that has no ids in it, so that equal failures are counted together.
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

# The largest page that the server offers by default.
LARGEST_PAGE = 1_000

# Ids and numbers in a server's text would make each failure one of its own.
_PARTICULARS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


class OperationFailed(Exception):
    """An answer that is not what was asked for; its text names the failure and has no ids in it."""


def data(answer: object) -> dict[str, Any]:
    """The data of an answer.

    Raises:
        OperationFailed: there are errors, whatever the status of HTTP was, or it is no answer of GraphQL.
    """
    if not isinstance(answer, dict):
        raise OperationFailed("not an answer of GraphQL")
    if errors := answer.get("errors"):
        text = _PARTICULARS.sub("…", str(errors[0].get("message")))
        raise OperationFailed(f"GraphQL error: {text[:200]}")
    found = answer.get("data")
    if not isinstance(found, dict):
        raise OperationFailed("no data")
    return found


def accepted(outcome: dict[str, Any], *expected: str) -> dict[str, Any]:
    """A member of a union, if it is one of the expected types.

    Raises:
        OperationFailed: it is another one; its name is the failure's.
    """
    kind: str = outcome["__typename"]
    if kind not in expected:
        raise OperationFailed(kind)
    return outcome


def update(answer: object) -> Update:
    """An event of FOLLOW, arrived now."""
    arrived, arrived_at = time.perf_counter(), datetime.now(UTC)
    job = accepted(data(answer)["jobUpdates"], "JobUpdate")["job"]
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
