"""The store is paused, slow, silent or killed, its disk is full, or its file loses its tail."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, JobRequest, report
from tests.e2e.faults.harness.invariants import check_invariants
from tests.e2e.faults.harness.outage import CALLERS, expect_unavailable
from tests.e2e.faults.harness.proxy import start_proxy
from tests.e2e.faults.harness.scenarios import kill_store
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import User
from tests.e2e.faults.test_kills import SEEDS
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


async def test_killed_store_restarts_with_all_acknowledged_jobs(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        assert await kill_store(harness) == []


@pytest.mark.parametrize("fault", ["frozen", "silent", "slower than the timeout"])
async def test_store_that_does_not_respond_makes_the_api_unavailable_and_loses_no_job(
    tmp_path: Path, fault: str
) -> None:
    """The API refuses callers within 2.5 s and serves other requests, and all jobs end after the outage."""
    with Harness(tmp_path) as harness:
        async with start_proxy(harness.port) as proxy:
            await asyncio.to_thread(harness.add_api, redis_url=proxy.redis_url)
            harness.add_worker().ready()
            expected_jobs = ExpectedJobs()
            async with User(harness.urls, expected_jobs, random.Random(1)) as user:
                before = [await user.submit(JobRequest(200_000, 10**14)) for _ in range(10)]
                following = [asyncio.create_task(user.follow(job_id)) for job_id in before]
                if fault == "frozen":
                    harness.freeze()
                proxy.silent = fault == "silent"
                proxy.delay = 3.0 if fault.startswith("slow") else 0.0
                # Users that retry are served after the outage, and get one job each.
                retrying = [asyncio.create_task(user.submit(JobRequest(1_000))) for _ in range(5)]
                await expect_unavailable(harness)
                proxy.silent, proxy.delay = False, 0.0
                # Data that the proxy dropped is never sent again, so these connections are unusable.
                await proxy.abort_connections()
                harness.thaw()
                await asyncio.gather(*retrying, *following)
                violations = await check_invariants(harness, expected_jobs, max_unacknowledged=2 * CALLERS)
    assert violations == []


async def test_slow_store_only_slows_jobs_down(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        async with start_proxy(harness.port) as proxy:
            await asyncio.to_thread(harness.add_api, redis_url=proxy.redis_url)
            await asyncio.to_thread(harness.add_worker(redis_url=proxy.redis_url).ready)
            proxy.delay = 0.05
            expected_jobs = ExpectedJobs()
            async with User(harness.urls, expected_jobs, random.Random(1)) as user:
                jobs = await asyncio.gather(*(user.submit(JobRequest(1_000)) for _ in range(10)))
                await asyncio.gather(*(user.follow(job_id) for job_id in jobs))
                assert await check_invariants(harness, expected_jobs) == []


@pytest.mark.parametrize("seed", SEEDS)
async def test_truncated_append_only_file_loses_at_most_the_last_second(tmp_path: Path, seed: int) -> None:
    """As after a power loss: an arbitrary part of the latest writes never reached the disk."""
    rng = random.Random(seed)
    with Harness(tmp_path, **{"aof-load-truncated": "yes"}) as harness:
        url = harness.add_api()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, rng) as user:
            early = [await user.submit(JobRequest(1_000)) for _ in range(50)]
            # appendfsync everysec: older writes are on disk.
            await asyncio.sleep(1.5)
            synced = tail(harness).stat().st_size
            late = [await user.submit(JobRequest(1_000)) for _ in range(20)]
            harness.valkey.kill()
            size = rng.randrange(synced, tail(harness).stat().st_size)
            os.truncate(tail(harness), size)
            harness.valkey.start()
            harness.valkey.ready()
            async with httpx.AsyncClient(base_url=url) as client:
                known = [(await client.get(f"/status/{job_id}")).is_success for job_id in late]
            for job_id, is_known in zip(late, known, strict=True):
                if not is_known:
                    del expected_jobs.requests[job_id]
            harness.add_worker()
            violations = await check_invariants(harness, expected_jobs)
    report(f"seed {seed}: truncated at byte {size}, {known.count(False)} of {len(late)} jobs of the last second lost")
    assert set(early) <= set(expected_jobs.requests)
    assert violations == []
    assert known == sorted(known, reverse=True), "a later job survived an earlier one"


def tail(harness: Harness) -> Path:
    """The file to which Valkey appends."""
    [newest] = harness.valkey_folder.glob("appendonlydir/*.incr.aof")
    return newest


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mounts a file system of 1 MB on a folder. Skips the test without the right to mount."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"needs root to mount a small disk: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_store_with_a_full_disk_refuses_jobs_and_keeps_accepted_ones(tmp_path: Path) -> None:
    with small_disk(tmp_path / "valkey"), Harness(tmp_path) as harness:
        url = harness.add_api()
        filler = harness.valkey_folder / "filler"
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            await user.submit(JobRequest(1_000))
            fill(filler)
            async with httpx.AsyncClient(base_url=url, timeout=10) as client:

                async def is_refused() -> bool:
                    key = f"filling-{len(expected_jobs.requests)}"
                    response = await client.post("/generate?n=1000", headers={"Idempotency-Key": key})
                    if response.is_success:
                        expected_jobs.add(response.json()["request_id"], JobRequest(1_000))
                    return response.status_code == httpx.codes.SERVICE_UNAVAILABLE

                await eventually(is_refused)
                unready = await client.get("/readyz")
                assert unready.status_code == httpx.codes.SERVICE_UNAVAILABLE
                assert "check that its disk has free space" in unready.json()["checks"]["persistence"]["reason"]
                assert unready.json()["checks"]["broker"]["reason"] == (
                    "the job store refuses writes: it is out of memory or disk space, or a replica"
                )
                # Reads still succeed.
                assert (await client.get(f"/status/{next(iter(expected_jobs.requests))}")).is_success
            filler.unlink()
            await user.submit(JobRequest(1_000))
            await asyncio.to_thread(harness.restart_valkey)
            harness.add_worker()
            violations = await check_invariants(harness, expected_jobs)
    assert violations == []
    report(f"{len(expected_jobs.requests)} jobs were accepted before the disk was full and after space was freed")


def fill(file: Path) -> None:
    """Fill the file system completely."""
    with file.open("wb", buffering=0) as full, suppress(OSError):
        while True:
            full.write(bytes(1_000))
