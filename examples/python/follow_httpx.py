"""Submit a job and follow it with httpx: plain HTTP, updates as Server-Sent Events.

python follow_httpx.py [address]
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBMIT = """
mutation Submit($input: GeneratePrimesInput!) {
  generatePrimes(input: $input) {
    ... on GeneratePrimesAccepted { job { id } }
    ... on UserError { code message }
  }
}
"""
FOLLOW = """
subscription Follow($id: ID!) {
  jobUpdates(id: $id) {
    ... on JobUpdate { job { id status progress { done total } } }
    ... on UserError { code message }
  }
}
"""
PAGE = """
query Page($id: ID!) {
  job(id: $id) { id primes(first: 10) { values } }
}
"""


def main(address: str = "http://127.0.0.1:8000") -> None:
    """Submit, follow to the end, print the result."""
    # The API key, if the server requires authentication.
    headers = {"Authorization": f"Bearer {os.environ['PRIMES_KEY']}"} if "PRIMES_KEY" in os.environ else {}
    # The server sends a heartbeat every 10 seconds while nothing changes.
    with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
        job_id = expected(execute(client, SUBMIT, input={"count": 10})["generatePrimes"])["job"]["id"]
        for data in subscribe(client, FOLLOW, id=job_id):
            job = expected(data["jobUpdates"])["job"]
            print(job["status"], f"{job['progress']['done']}/{job['progress']['total']}")
        print(*execute(client, PAGE, id=job_id)["job"]["primes"]["values"])


def execute(client: httpx.Client, query: str, **variables: object) -> dict[str, Any]:
    """Return the data of a query or mutation."""
    response = client.post("/graphql", json={"query": query, "variables": variables})
    return data_of(response.raise_for_status().json())


def subscribe(client: httpx.Client, query: str, **variables: object) -> Iterator[dict[str, Any]]:
    """Yield the data of each event of a subscription, until the server completes it."""
    request = {"query": query, "variables": variables}
    with client.stream("POST", "/graphql", json=request, headers={"Accept": "text/event-stream"}) as response:
        response.raise_for_status()
        event = ""
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                event = value
            elif field == "data" and event == "next":
                yield data_of(json.loads(value))
            elif field == "data" and event == "complete":
                return
    raise ConnectionError("the stream was interrupted: subscribe again, the first event is the current state")


def data_of(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the data of an answer, or raise its first error."""
    if "errors" in answer:
        raise ValueError(answer["errors"][0]["message"])
    data: dict[str, Any] = answer["data"]
    return data


def expected(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return a result, or raise the failure that the union contains."""
    if "code" in outcome:
        raise RuntimeError(f"{outcome['code']}: {outcome['message']}")
    return outcome


if __name__ == "__main__":
    main(*sys.argv[1:2])
