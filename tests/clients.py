"""A minimal GraphQL client: sends an operation, returns the response, its data or its error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.conftest import System

ACCEPTED = "__typename ... on GeneratePrimesAccepted { outcome job { id status version } } ... on UserError { code }"


def post(system: System, query: str, **variables: Any) -> dict[str, Any]:
    """The response to an operation. Fails on a server error."""
    response = httpx.post(system.graphql, json={"query": query, "variables": variables}, timeout=40)
    assert response.status_code < 500, response.text
    answer: dict[str, Any] = response.json()
    return answer


def data(system: System, query: str, **variables: Any) -> dict[str, Any]:
    """The data of an operation without errors."""
    answer = post(system, query, **variables)
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]
    return found


def error(system: System, query: str, **variables: Any) -> dict[str, Any]:
    """The error of an operation that has exactly one."""
    answer = post(system, query, **variables)
    assert len(answer["errors"]) == 1, answer
    found: dict[str, Any] = answer["errors"][0]
    return found


def finished_job(system: System, count: int, start: int = 2) -> str:
    """Run a job to success and return its id."""
    query = """mutation ($input: GeneratePrimesInput!) {
        generatePrimes(input: $input, waitMs: 30000) { ... on GeneratePrimesAccepted { job { id status } } }
    }"""
    job = data(system, query, input={"count": count, "start": start})["generatePrimes"]["job"]
    assert job["status"] == "SUCCEEDED", job
    job_id: str = job["id"]
    return job_id
