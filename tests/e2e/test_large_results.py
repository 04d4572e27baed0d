"""A result of ten million primes: pages, downloads, scheduling beside small jobs, and a worker killed meanwhile."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import pandas as pd
import polars as pl
import psutil
import pytest
import redis

from tests import programs
from tests.verification import documented_checksum
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 10_000_000
# OEIS A006988: the 10^n-th prime. The checksum was computed with tests.tasks.engine.sieve.
LAST = 179_424_673
SHA256 = "3fd788cadec26d3017159356221ea749f0d27d9080a1131ba4fe4f232ee83bad"

SUBMIT = """mutation ($n: Int!, $start: SafeInt!, $ms: Int!) {
    generatePrimes(input: {count: $n, start: $start}, waitMs: $ms) {
    ... on GeneratePrimesAccepted { job { id status } }
} }"""
STATE = """query ($id: ID!, $offset: Int) { job(id: $id, waitMs: 30000) { ... on Job {
    status attempt progress { done }
    result { state available last sha256 primes(first: 1000, offset: $offset) { values } }
} } }"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("large")
    with (
        programs.valkey(folder) as valkey,
        programs.worker(folder, valkey.url, "large:"),
        programs.api(folder, valkey.url, "large:") as (url, _),
    ):
        yield url


@pytest.fixture(scope="module")
def job_id(url: str) -> str:
    submitted = execute(url, SUBMIT, n=COUNT, start=2, ms=30_000)["generatePrimes"]["job"]
    assert submitted["status"] == "SUCCEEDED"
    found: str = submitted["id"]
    return found


def execute(url: str, query: str, **variables: Any) -> dict[str, Any]:
    response = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in response, response
    found: dict[str, Any] = response["data"]
    return found


def result(url: str, job_id: str, offset: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = execute(url, STATE, id=job_id, offset=offset)["job"]["result"]
    return found


def test_ten_million_primes_are_correct(url: str, job_id: str) -> None:
    found = result(url, job_id, COUNT - 1)
    assert (found["available"], found["last"], found["sha256"]) == (COUNT, LAST, SHA256)
    assert found["primes"]["values"] == [LAST]


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
def test_checksum_can_be_verified_from_each_download(url: str, form: str, tmp_path: Path) -> None:
    """Three segments, the last one shorter."""
    job = execute(url, SUBMIT, n=3_000_000, start=2, ms=30_000)["generatePrimes"]["job"]
    assert job["status"] == "SUCCEEDED"
    file = tmp_path / f"primes.{form}"
    file.write_bytes(httpx.get(f"{url}/jobs/{job['id']}/primes.{form}", timeout=60).raise_for_status().content)
    assert documented_checksum(file) == result(url, job["id"])["sha256"]


def test_page_near_the_end_is_as_fast_as_one_at_the_start(url: str, job_id: str) -> None:
    """Each page reads one footer and one row group, wherever it is."""

    def seconds(offset: int) -> float:
        started = time.perf_counter()
        assert len(result(url, job_id, offset)["primes"]["values"]) == 1000
        return time.perf_counter() - started

    front, end = [], []
    for turn in range(20):
        front.append(seconds(turn * 70_000))
        end.append(seconds(COUNT - 1000 - turn * 70_000))
    # A page that reads all primes before it would take hundreds of times as long.
    assert statistics.median(end) < 5 * statistics.median(front)


def test_parquet_download_is_readable_by_common_libraries(url: str, job_id: str, tmp_path: Path) -> None:
    file = tmp_path / "primes.parquet"
    subprocess.run(["curl", "-sS", "-o", str(file), f"{url}/jobs/{job_id}/primes.parquet"], check=True, timeout=60)
    query = f"SELECT count(*), min(prime), max(prime) FROM '{file}'"  # noqa: S608 - a path of ours
    with duckdb.connect() as connection:
        assert connection.execute(query).fetchall() == [(COUNT, 2, LAST)]
    assert pl.scan_parquet(file).select(pl.col("prime").sum()).collect().item() == pd.read_parquet(file)["prime"].sum()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_interrupted_download_resumes(url: str, job_id: str, tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole.csv", tmp_path / "resumed.csv"
    address = f"{url}/jobs/{job_id}/primes.csv"
    subprocess.run(["curl", "-sS", "-o", str(whole), address], check=True, timeout=60)
    with whole.open("rb") as source, resumed.open("wb") as target:
        target.write(source.read(12_345_678))
    subprocess.run(["curl", "-sS", "-C", "-", "-o", str(resumed), address], check=True, timeout=60)
    assert resumed.read_bytes() == whole.read_bytes()
    with whole.open("rb") as lines:
        assert sum(1 for _ in lines) == COUNT + 1


def test_small_job_does_not_wait_behind_a_large_one(url: str) -> None:
    """The large job has 90 segments, each of which takes a part of a second."""
    large = execute(url, SUBMIT, n=90 * 2**20, start=10**15, ms=0)["generatePrimes"]["job"]["id"]
    for _ in range(5):
        started = time.perf_counter()
        small = execute(url, SUBMIT, n=10, start=2, ms=20_000)["generatePrimes"]["job"]
        assert small["status"] == "SUCCEEDED"
        # At most one segment is computed before it, not all 90.
        assert time.perf_counter() - started < 5
    assert httpx.get(f"{url}/status/{large}").json()["status"] == "pending"
    cancel = "mutation ($id: ID!) { cancelJob(id: $id) { ... on CancelJobAccepted { job { status } } } }"
    assert execute(url, cancel, id=large)["cancelJob"]["job"]["status"] == "CANCELLED"
    # Computed primes stay readable.
    partial = result(url, large)
    assert (partial["state"], partial["available"] % 2**20) == ("PARTIAL", 0)
    assert len(partial["primes"]["values"]) == 1000


def test_killed_worker_only_repeats_its_own_segments(tmp_path: Path) -> None:
    options: dict[str, Any] = {"LEASE_SECONDS": "1"}
    with (
        programs.valkey(tmp_path) as valkey,
        programs.worker(tmp_path, valkey.url, "killed:", 1, **options),
        programs.worker(tmp_path, valkey.url, "killed:", 1, **options) as target,
        programs.api(tmp_path, valkey.url, "killed:", **options) as (url, _),
    ):
        child = psutil.Process(target.process.pid).children()[0]
        before = child.cpu_times().user
        job = execute(url, SUBMIT, n=COUNT, start=2, ms=0)["generatePrimes"]["job"]["id"]
        wait_until(lambda: child.cpu_times().user > before + 0.03)
        target.kill()
        # The other worker completes the job.
        wait_until(lambda: execute(url, STATE, id=job, offset=0)["job"]["status"] == "SUCCEEDED")
        assert result(url, job)["sha256"] == SHA256
        segments = -(-COUNT // 2**20)
        claims = int(valkey_counter(valkey.url, "killed:counters", "claims large"))
        assert segments <= claims <= segments + 2


def valkey_counter(redis_url: str, key: str, field: str) -> bytes:
    with redis.Redis.from_url(redis_url) as client:
        found = client.hget(key, field)
    assert isinstance(found, bytes)
    return found
