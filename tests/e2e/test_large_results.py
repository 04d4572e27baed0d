"""Ten million primes and what can be done with them, while nothing goes wrong and while a worker is killed."""

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
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 10_000_000
# OEIS A006988: the 10^n-th prime. The checksum is of 80 million bytes, found by a sieve of a few lines of numpy.
LAST = 179_424_673
SHA256 = "f748fddbd1b4da1475b44236beb7c33aafd4fb3e570e6cf3bea12eff843f944d"

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
    submitted = ask(url, SUBMIT, n=COUNT, start=2, ms=30_000)["generatePrimes"]["job"]
    assert submitted["status"] == "SUCCEEDED"
    found: str = submitted["id"]
    return found


def ask(url: str, query: str, **variables: Any) -> dict[str, Any]:
    answer = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]
    return found


def result(url: str, job_id: str, offset: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = ask(url, STATE, id=job_id, offset=offset)["job"]["result"]
    return found


def test_ten_million_primes_are_right(url: str, job_id: str) -> None:
    found = result(url, job_id, COUNT - 1)
    assert (found["available"], found["last"], found["sha256"]) == (COUNT, LAST, SHA256)
    assert found["primes"]["values"] == [LAST]


def test_a_page_near_the_end_takes_no_longer_than_one_at_the_front(url: str, job_id: str) -> None:
    """Read for the first time or again: a footer and a row group, wherever."""

    def seconds(offset: int) -> float:
        started = time.perf_counter()
        assert len(result(url, job_id, offset)["primes"]["values"]) == 1000
        return time.perf_counter() - started

    front, end = [], []
    for turn in range(20):
        front.append(seconds(turn * 70_000))
        end.append(seconds(COUNT - 1000 - turn * 70_000))
    # Generous: an answer that reads what lies before the page would take hundreds of times as long.
    assert statistics.median(end) < 5 * statistics.median(front)


def test_the_download_opens_in_the_usual_programs(url: str, job_id: str, tmp_path: Path) -> None:
    file = tmp_path / "primes.parquet"
    subprocess.run(["curl", "-sS", "-o", str(file), f"{url}/jobs/{job_id}/primes.parquet"], check=True, timeout=60)
    query = f"SELECT count(*), min(prime), max(prime) FROM '{file}'"  # noqa: S608 - a path of ours
    with duckdb.connect() as connection:
        assert connection.execute(query).fetchall() == [(COUNT, 2, LAST)]
    assert pl.scan_parquet(file).select(pl.col("prime").sum()).collect().item() == pd.read_parquet(file)["prime"].sum()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_a_download_that_broke_off_goes_on(url: str, job_id: str, tmp_path: Path) -> None:
    whole, resumed = tmp_path / "whole.csv", tmp_path / "resumed.csv"
    address = f"{url}/jobs/{job_id}/primes.csv"
    subprocess.run(["curl", "-sS", "-o", str(whole), address], check=True, timeout=60)
    with whole.open("rb") as source, resumed.open("wb") as target:
        target.write(source.read(12_345_678))
    subprocess.run(["curl", "-sS", "-C", "-", "-o", str(resumed), address], check=True, timeout=60)
    assert resumed.read_bytes() == whole.read_bytes()
    with whole.open("rb") as lines:
        assert sum(1 for _ in lines) == COUNT + 1


def test_a_small_job_does_not_wait_behind_a_large_one(url: str) -> None:
    """Far up a segment takes a part of a second, and there are a hundred of them."""
    large = ask(url, SUBMIT, n=90 * 2**20, start=10**15, ms=0)["generatePrimes"]["job"]["id"]
    for _ in range(5):
        started = time.perf_counter()
        small = ask(url, SUBMIT, n=10, start=2, ms=20_000)["generatePrimes"]["job"]
        assert small["status"] == "SUCCEEDED"
        # A segment at most is before it, and not a hundred.
        assert time.perf_counter() - started < 5
    assert httpx.get(f"{url}/status/{large}").json()["status"] == "pending"
    cancel = "mutation ($id: ID!) { cancelJob(id: $id) { ... on CancelJobAccepted { job { status } } } }"
    assert ask(url, cancel, id=large)["cancelJob"]["job"]["status"] == "CANCELLED"
    # What was found stays readable.
    kept = result(url, large)
    assert (kept["state"], kept["available"] % 2**20) == ("PARTIAL", 0)
    assert len(kept["primes"]["values"]) == 1000


def test_a_worker_that_is_killed_costs_its_segments_alone(tmp_path: Path) -> None:
    options: dict[str, Any] = {"LEASE_SECONDS": "1"}
    with (
        programs.valkey(tmp_path) as valkey,
        programs.worker(tmp_path, valkey.url, "killed:", 1, **options),
        programs.worker(tmp_path, valkey.url, "killed:", 1, **options) as target,
        programs.api(tmp_path, valkey.url, "killed:", **options) as (url, _),
    ):
        child = psutil.Process(target.process.pid).children()[0]
        before = child.cpu_times().user
        job = ask(url, SUBMIT, n=COUNT, start=2, ms=0)["generatePrimes"]["job"]["id"]
        wait_until(lambda: child.cpu_times().user > before + 0.03)
        target.kill()
        # Waits for the end, on whoever is left.
        wait_until(lambda: ask(url, STATE, id=job, offset=0)["job"]["status"] == "SUCCEEDED", 60)
        assert result(url, job)["sha256"] == SHA256
        segments = -(-COUNT // 2**20)
        claims = int(valkey_counter(valkey.url, "killed:counters", "claims large"))
        assert segments <= claims <= segments + 2


def valkey_counter(redis_url: str, key: str, field: str) -> bytes:
    with redis.Redis.from_url(redis_url) as client:
        found = client.hget(key, field)
    assert isinstance(found, bytes)
    return found
