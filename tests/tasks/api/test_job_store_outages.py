"""A server that does not respond or refuses writes raises BackendUnavailable in time, and is used again afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
import redis

from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.errors import BackendUnavailable
from tasks.requests import JobPageRequest, PrimesRequest
from tasks.settings import JobSettings
from tests import programs
from tests.programs import free_port
from tests.stopwatch import Stopwatch
from tests.waiting import eventually, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.programs import Valkey

# The time limit of tasks.storage.redis, and half a second for the work.
MAX_RESPONSE_SECONDS = 2.5
MANY = 80
UNKNOWN = "01945b7e-1c2d-7abc-8def-0123456789ab"


@pytest.fixture
def isolated_server(tmp_path: Path) -> Iterator[Valkey]:
    """A dedicated server that tests may freeze or kill."""
    with programs.valkey(tmp_path / "server") as server:
        yield server


@pytest.fixture
async def isolated_store(isolated_server: Valkey) -> AsyncIterator[JobStore]:
    store = JobStore.connect(JobSettings(redis_url=isolated_server.url, key_prefix="own:"))
    yield store
    await store.close()


async def submits(store: JobStore) -> bool:
    try:
        await store.submit_job(PrimesRequest(10), ANYONE)
    except BackendUnavailable:
        return False
    return True


async def test_every_method_raises_in_time_while_the_server_is_frozen(
    isolated_server: Valkey, isolated_store: JobStore
) -> None:
    assert await submits(isolated_store)
    isolated_server.freeze()
    watch = Stopwatch()
    answers = await asyncio.gather(
        isolated_store.submit_job(PrimesRequest(10), ANYONE),
        isolated_store.get_jobs([UNKNOWN], ANYONE),
        isolated_store.list_jobs(JobPageRequest(10), ANYONE),
        isolated_store.cancel_job(UNKNOWN, ANYONE),
        isolated_store.retry_job(UNKNOWN, ANYONE),
        isolated_store.get_encoded_result(UNKNOWN),
        isolated_store.get_system_state(),
        isolated_store.subscribe_events(),
        return_exceptions=True,
    )
    assert watch.stop().seconds < MAX_RESPONSE_SECONDS
    assert {type(answer) for answer in answers} == {BackendUnavailable}
    isolated_server.thaw()
    await eventually(lambda: submits(isolated_store))


async def test_many_callers_are_served_in_time(isolated_server: Valkey, isolated_store: JobStore) -> None:
    assert await submits(isolated_store)
    isolated_server.freeze()
    watch = Stopwatch()
    answers = await asyncio.gather(*(submits(isolated_store) for _ in range(MANY)))
    assert watch.stop().seconds < MAX_RESPONSE_SECONDS
    assert not any(answers)
    isolated_server.thaw()
    assert all(await asyncio.gather(*(submits(isolated_store) for _ in range(MANY))))


async def test_cancelled_calls_do_not_mix_up_responses(store: JobStore) -> None:
    """A connection with an outstanding response must not be reused."""
    jobs = [(await store.submit_job(PrimesRequest(10), ANYONE)).job for _ in range(50)]
    for delay in range(20):
        reads = [asyncio.create_task(store.get_jobs([job.id], ANYONE)) for job in jobs]
        await asyncio.sleep(delay / 10_000)
        for task in reads[::2]:
            task.cancel()
        for job, task in zip(jobs, reads, strict=True):
            with contextlib.suppress(asyncio.CancelledError):
                [found] = await task
                assert found is not None
                assert found.id == job.id
    read_again = await asyncio.gather(*(store.get_jobs([job.id], ANYONE) for job in jobs))
    assert [job.id for [job] in read_again if job] == [job.id for job in jobs]


async def test_unreachable_server_is_reported_immediately() -> None:
    store = JobStore.connect(JobSettings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    with Stopwatch() as watch, pytest.raises(BackendUnavailable, match="the job store is unavailable"):
        await store.get_jobs([UNKNOWN], ANYONE)
    assert watch.seconds < 1
    await store.close()


async def test_restarted_server_is_used_again(tmp_path: Path) -> None:
    with programs.valkey(tmp_path, appendfsync="always") as server:
        store = JobStore.connect(JobSettings(redis_url=server.url, key_prefix="own:"))
        job = (await store.submit_job(PrimesRequest(10), ANYONE)).job
        assert server.program is not None
        server.program.kill()
        with pytest.raises(BackendUnavailable):
            await store.get_jobs([job.id], ANYONE)
    with programs.valkey(tmp_path, server.port):
        [found] = await store.get_jobs([job.id], ANYONE)
        await store.close()
    assert found is not None
    assert found.id == job.id


async def test_server_out_of_memory_acknowledges_nothing(isolated_server: Valkey, isolated_store: JobStore) -> None:
    assert await submits(isolated_store)
    with redis.Redis.from_url(isolated_server.url) as client:
        client.config_set("maxmemory", "1")
        before = client.dbsize()
        assert not await submits(isolated_store)
        assert client.dbsize() == before
        client.config_set("maxmemory", "0")
    assert await submits(isolated_store)


async def test_server_out_of_memory_can_still_be_read(isolated_server: Valkey, isolated_store: JobStore) -> None:
    job = (await isolated_store.submit_job(PrimesRequest(10), ANYONE)).job
    with redis.Redis.from_url(isolated_server.url) as client:
        client.config_set("maxmemory", "1")
    [found] = await isolated_store.get_jobs([job.id], ANYONE)
    assert found is not None
    assert await isolated_store.get_encoded_result(job.id) is None


async def test_replica_acknowledges_nothing(isolated_server: Valkey, tmp_path: Path) -> None:
    with redis.Redis.from_url(isolated_server.url) as primary:
        primary.config_set("repl-diskless-sync-delay", "0")
    with (
        programs.valkey(tmp_path / "replica", replicaof=f"127.0.0.1 {isolated_server.port}") as replica,
        redis.Redis.from_url(replica.url) as client,
    ):
        wait_until(lambda: client.info("replication")["master_link_status"] == "up")
        store = JobStore.connect(JobSettings(redis_url=replica.url, key_prefix="own:"))
        assert not await submits(store)
        await store.close()
        assert client.dbsize() == 0
