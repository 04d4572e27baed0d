"""A system that exports to a telemetry stack as in production, and clients that count their own work."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tasks.jobs import SMALL_JOB_PRIMES
from tests import programs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.telemetry.stack import Stack

# Shorter than in production, so that a short load has several points in each rate interval.
EXPORT_SECONDS = 1

# The limit of the alerts about late jobs.
LATE_SECONDS = 0.25

SUBMIT = """mutation Submit($input: GeneratePrimesInput!, $ms: Int!) { generatePrimes(input: $input, waitMs: $ms) {
    __typename ... on GeneratePrimesAccepted { job { id status traceId } }
} }"""
FOLLOW = "subscription Follow($id: ID!) { jobUpdates(id: $id) { __typename } }"
PAGE = "query Page($id: ID!) { job(id: $id) { ... on Job { result { primes(first: 10) { values } } } } }"

# Processes that export: two workers and the API.
PROCESSES = 3
_CLIENTS = 4


@dataclass(frozen=True, slots=True)
class Load:
    """Counts of the clients."""

    jobs: int = 0
    primes: int = 0
    small_jobs: int = 0
    # Small jobs that took longer for the client. The system measures less of the way, so it may count fewer.
    late_jobs: int = 0
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __add__(self, other: Load) -> Load:
        return Load(
            self.jobs + other.jobs,
            self.primes + other.primes,
            self.small_jobs + other.small_jobs,
            self.late_jobs + other.late_jobs,
            self.requests + other.requests,
        )

    @property
    def late_share(self) -> float:
        return self.late_jobs / self.small_jobs


def telemetry_environment(stack: Stack) -> dict[str, Any]:
    """The OTEL_* variables of docker-compose.yml, with shorter intervals."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_endpoint,
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_METRIC_EXPORT_INTERVAL": str(EXPORT_SECONDS * 1000),
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }


@contextmanager
def monitored_system(stack: Stack, folder: Path) -> Iterator[str]:
    """Valkey, the API and two workers of one process each, with alerts evaluated. Yields the API's URL."""
    prefix, options = "monitored:", telemetry_environment(stack)
    with (
        programs.valkey(folder) as valkey,
        programs.worker(folder, valkey.url, prefix, 1, **options),
        programs.worker(folder, valkey.url, prefix, 1, **options),
        programs.api(folder, valkey.url, prefix, **options) as (url, _),
        stack.vmalert(interval="1s"),
    ):
        yield url


def run_load(url: str, turns: int) -> Load:
    """Run concurrent clients for this many turns each."""
    with ThreadPoolExecutor(_CLIENTS) as pool:
        return sum(pool.map(lambda client: _turns(url, turns, client), range(_CLIENTS)), start=Load())


def _turns(url: str, turns: int, client: int) -> Load:
    """One client: submits by GraphQL and REST, follows, reads pages, downloads, and sends invalid requests."""
    requests: Counter[tuple[str, int]] = Counter()
    primes = small = late = 0
    with httpx.Client(base_url=url, timeout=30) as http:

        def send(method: str, path: str, route: str, **arguments: Any) -> httpx.Response:
            response = http.request(method, path, **arguments)
            requests[route, response.status_code] += 1
            return response

        def graphql(query: str, headers: dict[str, str] | None = None, **variables: Any) -> httpx.Response:
            body = {"query": query, "variables": variables}
            return send("POST", "/graphql", "/graphql", json=body, headers=headers)

        def count_job(count: int, since: float) -> None:
            nonlocal primes, small, late
            primes += count
            if count <= SMALL_JOB_PRIMES:
                small += 1
                late += time.monotonic() - since > LATE_SECONDS

        for turn in range(turns):
            count, since = (10, 500, 5_000, 30_000)[turn % 4] + client, time.monotonic()
            answer = graphql(SUBMIT, input={"count": count}, ms=5_000).json()
            job_id = answer["data"]["generatePrimes"]["job"]["id"]
            graphql(FOLLOW, {"Accept": "text/event-stream"}, id=job_id)
            count_job(count, since)
            graphql(PAGE, id=job_id)
            graphql(SUBMIT, input={"count": 0}, ms=0)
            graphql("{ nope }")
            send("GET", f"/status/{job_id}", "/status/{request_id}")
            send("GET", "/status/none", "/status/{request_id}")
            send("GET", f"/jobs/{job_id}/primes.csv", "/jobs/{job_id}/primes.{form}")
            since = time.monotonic()
            request_id = send("POST", "/generate?n=7", "/generate").json()["request_id"]
            send("GET", f"/status/{request_id}", "/status/{request_id}", headers={"Prefer": "wait=20"})
            count_job(7, since)
    return Load(2 * turns, primes, small, late, requests)


def wait_for_sum(stack: Stack, expression: str, expected: float) -> None:
    """Wait until the sum of an expression has exactly the expected value; exports arrive with a delay."""
    wait_until(
        lambda: _total(stack, expression) == expected,
        30,
        lambda: f"{expression} is {_total(stack, expression)}, not {expected}",
    )


def _total(stack: Stack, expression: str) -> float:
    return sum(found.value for found in stack.query(f"sum({expression})"))
