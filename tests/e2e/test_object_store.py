"""Results in a bucket of an S3 server: everything that works with results in a folder."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow.parquet as pq
import pytest

from tasks import engine
from tests import programs
from tests.tasks.results.buckets import ENVIRONMENT
from tests.verification import checksum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 3_000_000
LAST = 49_979_687

FIELDS = "id status failure { reason } result { sha256 available }"
SUBMIT = f"""mutation ($n: Int!) {{ generatePrimes(input: {{count: $n}}, waitMs: 30000) {{
    ... on GeneratePrimesAccepted {{ job {{ {FIELDS} }} }} }} }}"""
RETRY = f"mutation ($id: ID!) {{ retryJob(id: $id) {{ ... on RetryJobAccepted {{ job {{ {FIELDS} }} }} }} }}"
WAIT = f"query ($id: ID!) {{ job(id: $id, waitMs: 30000) {{ ... on Job {{ {FIELDS} }} }} }}"
PAGES = """query ($id: ID!, $value: SafeInt!, $last: Int!) { job(id: $id) { ... on Job { result {
    at(index: $last) indexOf(value: $value) primes(last: 3) { values }
} } } }"""


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    """The address of an S3 server without any bucket."""
    port = programs.free_port()
    address = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        try:
            return httpx.get(address, timeout=5).is_success
        except httpx.TransportError:
            return False

    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with programs.running(command, tmp_path, is_ready):
        yield address


def test_missing_bucket_is_reported_and_affects_only_large_jobs(endpoint: str, tmp_path: Path) -> None:
    """After the bucket is created, the failed job is retried, and its result has all features."""
    settings = ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint, "RESULTS_URL": "s3://primes/results"}
    with (
        programs.valkey(tmp_path) as valkey,
        programs.worker(tmp_path, valkey.url, "objects:", 2, (), **settings),
        programs.api(tmp_path, valkey.url, "objects:", None, **settings) as (url, _),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        assert not results_check(client)["ok"]
        failed = execute(client, SUBMIT, n=COUNT)["generatePrimes"]["job"]
        assert (failed["status"], failed["failure"]) == ("FAILED", {"reason": "RESULT_STORE"})
        assert execute(client, SUBMIT, n=10_000)["generatePrimes"]["job"]["status"] == "SUCCEEDED"

        httpx.put(f"{endpoint}/primes").raise_for_status()
        assert results_check(client)["ok"]
        retried = execute(client, RETRY, id=failed["id"])["retryJob"]["job"]["id"]
        done = execute(client, WAIT, id=retried)["job"]
        assert (done["status"], done["result"]["available"]) == ("SUCCEEDED", COUNT)
        assert done["result"]["sha256"] == checksum(engine.primes_from(2, COUNT))

        found = execute(client, PAGES, id=retried, value=LAST, last=COUNT - 1)["job"]["result"]
        assert (found["at"], found["indexOf"], found["primes"]["values"][-1]) == (LAST, COUNT - 1, LAST)
        whole = client.get(f"/jobs/{retried}/primes.parquet").content
        part = client.get(f"/jobs/{retried}/primes.parquet", headers={"Range": "bytes=1000000-"}).content
        assert part == whole[1_000_000:]
        assert pq.read_metadata(io.BytesIO(whole)).num_rows == COUNT


def results_check(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/readyz").json()["checks"]["results"]
    return found


def execute(client: httpx.Client, query: str, **variables: Any) -> dict[str, Any]:
    response = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in response, response
    found: dict[str, Any] = response["data"]
    return found
