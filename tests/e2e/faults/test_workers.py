"""Workers that die, hang, come back too late, or live in another time."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, Order, say
from tests.e2e.faults.harness.invariants import judge
from tests.e2e.faults.harness.scenarios import a_worker_stalls, a_zombie_writes, messages_are_lost
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import Person, ask
from tests.e2e.faults.launchers.worker_that_crashes import CRASHING_COUNT
from tests.e2e.faults.launchers.worker_that_hangs import HANGING_COUNT
from tests.waiting import wait_until

LOST = 100


async def test_a_worker_past_its_lease_is_refused(tmp_path: Path) -> None:
    """It was stopped in the middle of a segment that another worker has done meanwhile, and goes on."""
    with Harness(tmp_path) as harness:
        assert await a_zombie_writes(harness) == []


async def test_lost_messages_are_sent_again(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        began, wrong = await messages_are_lost(harness, LOST)
        took = time.monotonic() - began
        assert wrong == []
    say(f"{LOST} lost messages: all jobs done and judged {took:.1f} s after")


@pytest.mark.parametrize("attempts", [3])
async def test_a_job_that_kills_its_worker_fails_after_some_attempts(tmp_path: Path, attempts: int) -> None:
    with Harness(tmp_path) as harness:
        url = harness.add_api(MAX_ATTEMPTS=str(attempts))
        harness.add_worker("tests.e2e.faults.launchers.worker_that_crashes", MAX_ATTEMPTS=str(attempts)).ready()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            poison = await person.submit(Order(CRASHING_COUNT, may_end=frozenset({"FAILED"})))
            for _ in range(20):
                await person.submit(Order(1_000))
            await person.follow(poison)
            assert await judge(harness, expected_jobs) == []
            async with httpx.AsyncClient(base_url=url) as client:
                failed = (await client.get(f"/status/{poison}")).json()
            assert (failed["status"], failed["error"]["reason"]) == ("failed", "WORKER_LOST")
            assert harness.workers[0].output().count("signal 9 (SIGKILL)") >= attempts


async def test_a_job_that_never_ends_fails_and_its_process_is_replaced(tmp_path: Path) -> None:
    """Of one process, which then does all that waited behind it."""
    limit = {"JOB_TIME_LIMIT_SECONDS": "3"}
    with Harness(tmp_path) as harness:
        url = harness.add_api(**limit)
        harness.add_worker("tests.e2e.faults.launchers.worker_that_hangs", processes=1, **limit).ready()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            endless = await person.submit(Order(HANGING_COUNT, may_end=frozenset({"FAILED"})))
            for _ in range(20):
                await person.submit(Order(1_000))
            await person.follow(endless)
            assert await judge(harness, expected_jobs) == []
            async with httpx.AsyncClient(base_url=url) as client:
                failed = (await client.get(f"/status/{endless}")).json()
        assert (failed["status"], failed["error"]["reason"]) == ("failed", "TIMEOUT")


async def test_a_worker_that_no_longer_hears_its_broker_is_connected_anew(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        assert await a_worker_stalls(harness, within=40) == []
        assert harness.workers[0].output().count("messages queued, none consumed. Reconnecting.") == 1


async def test_a_worker_that_is_ended_hands_back_what_it_had(tmp_path: Path) -> None:
    """As an upgrade ends it; the lease would have been for ten minutes."""
    terms = {"LEASE_SECONDS": "600"}
    with Harness(tmp_path) as harness:
        harness.add_api(**terms)
        first = harness.add_worker("tests.e2e.faults.launchers.worker_that_hangs", processes=1, **terms)
        first.ready()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            hanging = await person.submit(Order(HANGING_COUNT))
            await asyncio.to_thread(wait_until, lambda: bool(harness.keys.leases()))
            os.kill(first.pid, signal.SIGTERM)
            harness.add_worker("celery", 2, None, **terms)
            await person.follow(hanging)
            assert await judge(harness, expected_jobs) == []
        assert harness.keys.record(hanging)["attempt"] == "1"


WAITING = 6


async def test_a_message_that_a_killed_worker_had_popped_is_not_lost(tmp_path: Path) -> None:
    """Paused while they wait for one, workers are given messages by the server that they will never read."""
    with Harness(tmp_path) as harness:
        harness.add_api()
        paused = [harness.add_worker(processes=1) for _ in range(WAITING)]
        for worker in paused:
            worker.ready()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            wait_until(lambda: harness.blocked() == WAITING)
            for worker in paused:
                worker.send(signal.SIGSTOP)
            for _ in range(WAITING):
                await person.submit(Order(1_000))
            popped = WAITING - len(harness.keys.queued_segments("small"))
            for worker in paused:
                worker.kill()
            harness.add_worker()
            wrong = await judge(harness, expected_jobs)
    say(f"{popped} messages had been popped")
    assert popped > 0
    assert wrong == []


def libfaketime() -> str | None:
    """Where Debian's package of this name puts its library; FAULT_FAKETIME says otherwise."""
    named = os.environ.get("FAULT_FAKETIME")
    found = [Path(named)] if named else sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return str(found[0]) if found else None


@pytest.mark.skipif(libfaketime() is None, reason="needs Debian's libfaketime")
@pytest.mark.parametrize("hours", [+2, -2])
async def test_a_worker_with_a_wrong_clock_does_no_harm(tmp_path: Path, hours: int) -> None:
    """Leases, expiry and what callers are told go by the store's clock; half of the workers are right."""
    with Harness(tmp_path) as harness:
        url = harness.add_api()
        strange = harness.add_worker(
            LD_PRELOAD=libfaketime() or "", FAKETIME=f"{hours:+d}h", FAKETIME_DONT_FAKE_MONOTONIC="1"
        ).ready()
        its_hour = f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%d %H:}"
        assert f"[{its_hour}" in strange.output(), "its clock is right"
        harness.add_worker().ready()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(hours)) as person:
            for number in range(60):
                job_id = await person.submit(Order(200_000, 10**14) if number % 10 == 0 else Order(1_000))
                await person.follow(job_id)
            assert await judge(harness, expected_jobs) == []
            for worker in harness.workers:
                assert ": done in" in worker.output(), "one worker has done nothing"
            times = "query ($id: ID!) { job(id: $id) { attempt queuedMs runMs } }"
            async with httpx.AsyncClient(base_url=url) as client:
                job = (await ask(client, times, id=job_id))["job"]
            assert job["attempt"] == 1
            assert max(job["queuedMs"], job["runMs"]) < 60_000
