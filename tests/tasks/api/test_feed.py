"""Subscribers see the newest state and the end, whenever they come and whatever happens to the broker."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tasks.api.feed import JobFeed
from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.errors import BackendUnavailable, JobNotFound
from tasks.jobs import JobStatus
from tasks.requests import PrimesRequest
from tasks.settings import JobSettings
from tasks.worker.job_recorder import CompletionOutcome, JobRecorder
from tests import programs
from tests.tasks.keys import fake_result, grant_claim
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    import redis

    from tasks.callers import Caller
    from tasks.jobs import Job
    from tests.tasks.keys import Keys

UNKNOWN = "01945b7e-1c2d-7abc-8def-0123456789ab"


class CountingStore(JobStore):
    """The real store, which counts how often it is read."""

    reads = 0

    async def get_jobs(self, job_ids: Sequence[str], caller: Caller = ANYONE) -> list[Job | None]:
        self.reads += 1
        return await super().get_jobs(job_ids, caller)


@asynccontextmanager
async def feeding(settings: JobSettings) -> AsyncIterator[tuple[CountingStore, JobFeed]]:
    store = CountingStore.connect(settings)
    feed = JobFeed(store)
    feed.start()
    try:
        yield store, feed
    finally:
        await feed.stop()
        await store.close()


@pytest_asyncio.fixture
async def served(settings: JobSettings) -> AsyncIterator[tuple[CountingStore, JobFeed]]:
    async with feeding(settings) as both:
        yield both


async def submitted(store: JobStore) -> Job:
    return (await store.submit_job(PrimesRequest(10))).job


async def all_states(feed: JobFeed, job: Job, after_version: int | None = None) -> list[Job]:
    async with asyncio.timeout(20), aclosing(feed.watch_job(job.id, after_version)) as states:
        return [state async for state in states]


def finish(recorder: JobRecorder, job: Job) -> None:
    assert recorder.complete_segment(grant_claim(recorder, job), fake_result()) is CompletionOutcome.COMPLETED


async def test_the_snapshot_comes_first_and_then_each_newer_state(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = served
    job = await submitted(store)
    async with aclosing(feed.watch_job(job.id)) as states, asyncio.timeout(10):
        assert (await anext(states)).version == 1
        claim = grant_claim(recorder, job)
        assert (await anext(states)).status is JobStatus.RUNNING
        recorder.complete_segment(claim, fake_result())
        assert (await anext(states)).status is JobStatus.SUCCEEDED
        with pytest.raises(StopAsyncIteration):
            await anext(states)


async def test_a_late_subscriber_gets_the_final_state_and_the_end(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = served
    job = await submitted(store)
    finish(recorder, job)
    assert [state.status for state in await all_states(feed, job)] == [JobStatus.SUCCEEDED]


async def test_what_a_subscriber_has_seen_is_not_sent_again(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = served
    job = await submitted(store)
    watching = asyncio.create_task(all_states(feed, job, after_version=1))
    await eventually(lambda: _holds(feed.subscribers == 1))
    finish(recorder, job)
    states = await watching
    assert states[-1].status is JobStatus.SUCCEEDED
    assert all(state.version > 1 for state in states)
    assert await all_states(feed, job, after_version=states[-1].version) == []


async def test_all_of_a_hundred_jobs_end_once_for_all_of_fifty_subscribers(
    served: tuple[CountingStore, JobFeed], settings: JobSettings
) -> None:
    """They come before, while and after the jobs are worked on."""
    store, feed = served
    recorder = JobRecorder.connect(settings)
    jobs = [await submitted(store) for _ in range(100)]
    watching = [asyncio.create_task(all_states(feed, job)) for job in jobs[:50]]
    work = asyncio.gather(*(asyncio.to_thread(finish, recorder, job) for job in jobs))
    for job in jobs[50:]:
        watching.append(asyncio.create_task(all_states(feed, job)))
        await asyncio.sleep(0)
    await work
    watching += [asyncio.create_task(all_states(feed, job)) for job in jobs]
    for states in await asyncio.gather(*watching):
        versions = [state.version for state in states]
        assert versions == sorted(set(versions))
        assert [state.status.is_final for state in states] == [False] * (len(states) - 1) + [True]


async def test_subscribers_of_one_job_share_the_reads(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = served
    job = await submitted(store)
    watching = [asyncio.create_task(all_states(feed, job)) for _ in range(50)]
    await eventually(lambda: _holds(feed.subscribers == 50))
    finish(recorder, job)
    ends = [states[-1].status for states in await asyncio.gather(*watching)]
    assert ends == [JobStatus.SUCCEEDED] * 50
    # The snapshots, the connecting, and two changes: not one for each of fifty.
    assert store.reads <= 8


async def test_a_slow_subscriber_gets_the_newest_state_only(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = served
    job = (await store.submit_job(PrimesRequest(50 * 2**20))).job
    async with aclosing(feed.watch_job(job.id)) as states, asyncio.timeout(10):
        assert (await anext(states)).version == 1
        for index in range(30):
            recorder.complete_segment(grant_claim(recorder, job, index), fake_result())
        seen = (await anext(states)).version
        while seen < 32:
            newer = (await anext(states)).version
            assert newer > seen
            seen = newer
            assert seen >= 31
        assert seen == 32


async def test_an_unknown_job_is_not_found(served: tuple[CountingStore, JobFeed]) -> None:
    _, feed = served
    for job_id in (UNKNOWN, "x", "0" * 10_000):
        with pytest.raises(JobNotFound):
            await anext(feed.watch_job(job_id))
    assert feed.subscribers == 0


async def test_stopping_ends_every_stream_and_refuses_new_ones(
    served: tuple[CountingStore, JobFeed],
) -> None:
    store, feed = served
    job = await submitted(store)
    watching = [asyncio.create_task(all_states(feed, job)) for _ in range(10)]
    await eventually(lambda: _holds(feed.subscribers == 10 and store.reads > 0))
    assert not feed.drained.is_set()
    await feed.stop()
    for ended in await asyncio.gather(*watching, return_exceptions=True):
        assert isinstance(ended, BackendUnavailable)
    assert feed.drained.is_set()
    with pytest.raises(BackendUnavailable, match="this server is shutting down: subscribe again"):
        await anext(feed.watch_job(job.id))


async def test_those_who_leave_leave_nothing_behind(served: tuple[CountingStore, JobFeed]) -> None:
    store, feed = served
    jobs = [await submitted(store) for _ in range(5)]
    streams = [feed.watch_job(job.id) for job in jobs for _ in range(3)]
    for stream in streams:
        await anext(stream)
    assert feed.subscribers == 15
    for stream in streams:
        await stream.aclose()
    leaving = [asyncio.create_task(all_states(feed, jobs[0])) for _ in range(3)]
    await eventually(lambda: _holds(feed.subscribers == 3))
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert feed.subscribers == 0
    assert feed.drained.is_set()
    assert vars(feed)["_topics"] == {}


async def test_one_who_leaves_does_not_disturb_the_others(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = served
    job = await submitted(store)
    watching = [asyncio.create_task(all_states(feed, job)) for _ in range(10)]
    await asyncio.sleep(0)
    watching[0].cancel()
    finish(recorder, job)
    ends = await asyncio.gather(*watching[1:])
    assert [states[-1].status for states in ends] == [JobStatus.SUCCEEDED] * 9


async def test_a_broker_that_restarts_takes_no_final_state_with_it(tmp_path: Path) -> None:
    with programs.valkey(tmp_path, appendfsync="always") as server:
        settings = JobSettings(redis_url=server.url, key_prefix="own:")
        async with feeding(settings) as (store, feed):
            job = await submitted(store)
            async with aclosing(feed.watch_job(job.id)) as states, asyncio.timeout(20):
                assert (await anext(states)).version == 1
                assert server.program is not None
                server.program.kill()
                with programs.valkey(tmp_path, server.port):
                    # Before the feed can have come back, most likely: the event goes to nobody.
                    finish(JobRecorder.connect(settings), job)
                    rest = [state async for state in states]
    assert rest[-1].status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("seen", [None, 9])
async def test_a_store_that_lost_its_last_moments_still_tells_the_end(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder, keys: Keys, seen: int | None
) -> None:
    """As after a power cut or a failover: the end comes under a version that was seen before, here or elsewhere."""
    store, feed = served
    job = await submitted(store)
    version = f"{keys.prefix}job:{job.id}"
    keys.client.hset(version, "version", 9)
    watching = asyncio.create_task(all_states(feed, job, seen))
    await eventually(lambda: _holds(store.reads > 0))
    keys.client.hset(version, "version", 1)
    finish(recorder, job)
    states = await watching
    assert [state.status.is_final for state in states].count(True) == 1
    assert states[-1].status is JobStatus.SUCCEEDED
    assert states[-1].version < 9
    # What was seen is still not told again.
    assert await all_states(feed, job, after_version=states[-1].version) == []


async def test_a_connection_that_is_cut_is_replaced(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder, redis_client: Any
) -> None:
    store, feed = served
    job = await submitted(store)
    async with aclosing(feed.watch_job(job.id)) as states, asyncio.timeout(10):
        assert (await anext(states)).version == 1
        redis_client.client_kill_filter(_type="pubsub")
        finish(recorder, job)
        rest = [state async for state in states]
    assert rest[-1].status is JobStatus.SUCCEEDED


async def test_a_frozen_broker_is_noticed_and_sat_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with programs.valkey(tmp_path) as server:
        settings = JobSettings(redis_url=server.url, key_prefix="own:")
        async with feeding(settings) as (store, feed):
            job = await submitted(store)
            async with aclosing(feed.watch_job(job.id)) as states, asyncio.timeout(20):
                assert (await anext(states)).version == 1
                server.freeze()
                await eventually(lambda: _holds("Event feed lost its Redis connection" in caplog.text), 12)
                server.thaw()
                finish(JobRecorder.connect(settings), job)
                rest = [state async for state in states]
    assert rest[-1].status is JobStatus.SUCCEEDED


async def _holds(condition: bool) -> bool:
    return condition


async def test_an_event_that_is_not_understood_costs_nobody_the_next(
    served: tuple[CountingStore, JobFeed], recorder: JobRecorder, redis_client: redis.Redis, settings: JobSettings
) -> None:
    """Of a newer version, or of somebody who has the channel's name by accident."""
    store, feed = served
    job = await submitted(store)
    async with aclosing(feed.watch_job(job.id)) as states, asyncio.timeout(10):
        assert (await anext(states)).version == 1
        for text in ("", "nonsense", f"{job.id} two 3", f"{job.id} 2 1700000000000 and more", b"\xff\xfe"):
            assert redis_client.publish(f"{settings.key_prefix}events", text) == 1
        claim = grant_claim(recorder, job)
        assert (await anext(states)).status == JobStatus.RUNNING
        assert recorder.complete_segment(claim, fake_result()) is CompletionOutcome.COMPLETED
        assert (await anext(states)).status == JobStatus.SUCCEEDED
