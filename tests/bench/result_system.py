"""A system for one benchmark of results, and a client that measures its requests."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import redis

from tests import programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.programs import Program, Valkey

PREFIX = "bench:"
SUBMIT = """mutation ($n: Int!, $ms: Int!) { generatePrimes(input: {count: $n}, waitMs: $ms) {
    ... on GeneratePrimesAccepted { job { id status } }
} }"""
STATE = """query ($id: ID!) { job(id: $id) { status progress { done } result { available last sha256 } } }"""
WAIT = "query ($id: ID!) { job(id: $id, waitMs: 30000) { status failure { message } } }"
PAGE = """query ($id: ID!, $offset: Int) { job(id: $id) {
    result { primes(first: 1000, offset: $offset) { values } }
} }"""
AT = "query ($id: ID!, $index: Int!) { job(id: $id) { result { at(index: $index) } } }"
INDEX_OF = "query ($id: ID!, $value: SafeInt!) { job(id: $id) { result { indexOf(value: $value) } } }"
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"


@dataclass(frozen=True, slots=True)
class System:
    """Running programs, and a client with one connection."""

    url: str
    client: httpx.Client
    valkey: Valkey
    store: redis.Redis
    api: Program
    workers: Sequence[Program]

    def execute(self, query: str, **variables: Any) -> dict[str, Any]:
        response = self.client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in response, response
        found: dict[str, Any] = response["data"]
        return found

    def submit(self, count: int, wait_ms: int = 0) -> str:
        found: str = self.execute(SUBMIT, n=count, ms=wait_ms)["generatePrimes"]["job"]["id"]
        return found

    def finish(self, count: int) -> str:
        """Submit, and wait until the job has succeeded. Returns its id."""
        submitted = self.execute(SUBMIT, n=count, ms=30_000)["generatePrimes"]["job"]
        if submitted["status"] != "SUCCEEDED":
            self.wait(submitted["id"])
        found: str = submitted["id"]
        return found

    def wait(self, job_id: str) -> None:
        """Wait until the job has succeeded."""
        while (job := self.execute(WAIT, id=job_id)["job"])["status"] != "SUCCEEDED":
            assert job["status"] in {"QUEUED", "RUNNING"}, job

    def state(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.execute(STATE, id=job_id)["job"]
        return found

    def cancel(self, job_id: str) -> None:
        self.execute(CANCEL, id=job_id)

    def measure_page(self, job_id: str, offset: int) -> float:
        started = time.perf_counter()
        values = self.execute(PAGE, id=job_id, offset=offset)["job"]["result"]["primes"]["values"]
        took = time.perf_counter() - started
        assert len(values) == 1000
        return took

    def measure_lookups(self, job_id: str, count: int, last: int) -> tuple[float, float]:
        """The maximum seconds to find the prime at an index, and the index of a prime, over the whole result."""
        at, index_of = [], []
        for tenth in range(11):
            index = (count - 1) * tenth // 10
            started = time.perf_counter()
            value = self.execute(AT, id=job_id, index=index)["job"]["result"]["at"]
            at.append(time.perf_counter() - started)
            started = time.perf_counter()
            found = self.execute(INDEX_OF, id=job_id, value=value)["job"]["result"]["indexOf"]
            index_of.append(time.perf_counter() - started)
            assert found == index
        assert value == last
        return max(at), max(index_of)

    def download(self, job_id: str, form: str) -> tuple[int, int]:
        """Download a file and discard it. Returns its bytes and lines."""
        size = lines = 0
        with self.client.stream(
            "GET", f"/jobs/{job_id}/primes.{form}", headers={"Accept-Encoding": "identity"}
        ) as response:
            for data in response.raise_for_status().iter_raw():
                size, lines = size + len(data), lines + data.count(b"\n")
            assert size == int(response.headers["Content-Length"])
        return size, lines

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds since the start of the programs, by kind of process."""
        parents = [psutil.Process(worker.process.pid) for worker in self.workers]
        children = [child for parent in parents for child in parent.children()]
        by_kind = {"API": [psutil.Process(self.api.process.pid)], "worker": parents, "worker's children": children}
        times = {kind: [process.cpu_times() for process in processes] for kind, processes in by_kind.items()}
        return {
            kind: sum(found.user + found.system for found in times_of_kind) for kind, times_of_kind in times.items()
        }

    def counter(self, name: str) -> int:
        """A counter that the system keeps in the store."""
        return int(str(self.store.hget(f"{PREFIX}counters", name) or 0))


@contextmanager
def system(folder: Path, processes: int, workers: int = 1, **environment: str) -> Iterator[System]:
    """Valkey, `workers` workers with `processes` processes each, and the API, until the block ends."""
    environment = {"RESULTS_URL": (folder / "results").absolute().as_uri()} | environment
    with ExitStack() as stack:
        valkey = stack.enter_context(programs.valkey(folder))
        started = [
            stack.enter_context(programs.worker(folder, valkey.url, PREFIX, processes, **environment))
            for _ in range(workers)
        ]
        url, api = stack.enter_context(programs.api(folder, valkey.url, PREFIX, None, **environment))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=120))
        store = stack.enter_context(redis.Redis.from_url(valkey.url, decode_responses=True))
        yield System(url, client, valkey, store, api, started)
