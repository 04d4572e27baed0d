"""Subscribers receive the newest state and the final one, whenever they subscribe and through server outages."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import redis

from tasks.api import feed as feed_module
from tasks.api.feed import JobFeed
from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.errors import BackendUnavailable, JobNotFound
from tasks.jobs import JobStatus
from tasks.requests import PrimesRequest
from tasks.settings import JobSettings
from tasks.worker.job_recorder import JobRecorder
from tests import programs
from tests.tasks.keys import fake_result, grant_claim
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from redis.asyncio.client import PubSub

    from tasks.callers import Caller
    from tasks.jobs import Job
    from tests.tasks.keys import Keys

UNKNOWN = "01945b7e-1c2d-7abc-8def-0123456789ab"


class CountingStore(JobStore):
    """A JobStore that counts its reads."""

    reads = 0

    async def get_jobs(self, job_ids: Sequence[str], caller: Caller) -> list[Job | None]:
        self.reads += 1
        return await super().get_jobs(job_ids, caller)


@asynccontextmanager
async def running_feed(settings: JobSettings) -> AsyncIterator[tuple[CountingStore, JobFeed]]:
    store = CountingStore.connect(settings)
    feed = JobFeed(store)
    feed.start()
    try:
        yield store, feed
    finally:
        await feed.stop()
        await store.close()


@pytest_asyncio.fixture
async def store_and_feed(settings: JobSettings) -> AsyncIterator[tuple[CountingStore, JobFeed]]:
    async with running_feed(settings) as pair:
        yield pair


async def submit_job(store: JobStore) -> Job:
    return (await store.submit_job(PrimesRequest(10), ANYONE)).job


async def all_states(feed: JobFeed, job: Job, after_version: int | None = None) -> list[Job]:
    async with asyncio.timeout(20), aclosing(feed.watch_job(job.id, ANYONE, after_version)) as updates:
        return [update.job async for update in updates]


def finish(recorder: JobRecorder, job: Job) -> None:
    assert recorder.complete_segment(grant_claim(recorder, job), fake_result())


async def test_subscriber_receives_the_current_state_and_then_each_newer_one(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = store_and_feed
    job = await submit_job(store)
    async with aclosing(feed.watch_job(job.id, ANYONE)) as updates, asyncio.timeout(10):
        assert (await anext(updates)).job.version == 1
        claim = grant_claim(recorder, job)
        assert (await anext(updates)).job.status is JobStatus.RUNNING
        recorder.complete_segment(claim, fake_result())
        assert (await anext(updates)).job.status is JobStatus.SUCCEEDED
        with pytest.raises(StopAsyncIteration):
            await anext(updates)


async def test_late_subscriber_receives_the_final_state(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = store_and_feed
    job = await submit_job(store)
    finish(recorder, job)
    assert [state.status for state in await all_states(feed, job)] == [JobStatus.SUCCEEDED]


async def test_states_up_to_after_version_are_not_sent_again(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = store_and_feed
    job = await submit_job(store)
    subscriptions = asyncio.create_task(all_states(feed, job, after_version=1))
    await eventually(lambda: _holds(feed.subscribers == 1))
    finish(recorder, job)
    states = await subscriptions
    assert states[-1].status is JobStatus.SUCCEEDED
    assert all(state.version > 1 for state in states)
    assert await all_states(feed, job, after_version=states[-1].version) == []


async def test_every_subscription_receives_increasing_versions_and_one_final_state(
    store_and_feed: tuple[CountingStore, JobFeed], settings: JobSettings
) -> None:
    """A hundred jobs, with subscriptions before, during and after processing."""
    store, feed = store_and_feed
    recorder = JobRecorder.connect(settings)
    jobs = [await submit_job(store) for _ in range(100)]
    subscriptions = [asyncio.create_task(all_states(feed, job)) for job in jobs[:50]]
    work = asyncio.gather(*(asyncio.to_thread(finish, recorder, job) for job in jobs))
    for job in jobs[50:]:
        subscriptions.append(asyncio.create_task(all_states(feed, job)))
        await asyncio.sleep(0)
    await work
    subscriptions += [asyncio.create_task(all_states(feed, job)) for job in jobs]
    for states in await asyncio.gather(*subscriptions):
        versions = [state.version for state in states]
        assert versions == sorted(set(versions))
        assert [state.status.is_final for state in states] == [False] * (len(states) - 1) + [True]


async def test_subscribers_of_the_same_job_share_reads(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = store_and_feed
    job = await submit_job(store)
    subscriptions = [asyncio.create_task(all_states(feed, job)) for _ in range(50)]
    await eventually(lambda: _holds(feed.subscribers == 50))
    finish(recorder, job)
    ends = [states[-1].status for states in await asyncio.gather(*subscriptions)]
    assert ends == [JobStatus.SUCCEEDED] * 50
    # For the first snapshot, the connection and two changes: not one for each of the fifty subscribers.
    assert store.reads <= 8


async def test_slow_subscriber_skips_intermediate_states(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = store_and_feed
    job = (await store.submit_job(PrimesRequest(50 * 2**20), ANYONE)).job
    async with aclosing(feed.watch_job(job.id, ANYONE)) as updates, asyncio.timeout(10):
        assert (await anext(updates)).job.version == 1
        for index in range(30):
            recorder.complete_segment(grant_claim(recorder, job, index), fake_result())
        version = (await anext(updates)).job.version
        while version < 32:
            newer = (await anext(updates)).job.version
            assert newer > version
            version = newer
            assert version >= 31
        assert version == 32


async def test_update_counts_the_states_skipped_since_the_previous_one(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = store_and_feed
    job = (await store.submit_job(PrimesRequest(50 * 2**20), ANYONE)).job
    async with aclosing(feed.watch_job(job.id, ANYONE)) as updates, asyncio.timeout(10):
        assert (await anext(updates)).folded == 0
        for index in range(30):
            recorder.complete_segment(grant_claim(recorder, job, index), fake_result())
        previous = 1
        while previous < 32:
            update = await anext(updates)
            assert update.folded == update.job.version - previous - 1
            previous = update.job.version


async def test_first_update_counts_from_the_version_that_the_subscriber_had(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = store_and_feed
    job = await submit_job(store)
    finish(recorder, job)
    for after_version, folded in ((None, 0), (1, 1), (2, 0)):
        async with aclosing(feed.watch_job(job.id, ANYONE, after_version)) as updates:
            assert [update.folded async for update in updates] == [folded]


@pytest.mark.parametrize("final_version", [None, 8, 9])
async def test_final_only_yields_one_update_that_counts_all_states_since_the_subscription(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder, keys: Keys, final_version: int | None
) -> None:
    """With a final version: the store lost writes meanwhile, and the job became final at a version seen before."""
    store, feed = store_and_feed
    job = await submit_job(store)
    record = f"{keys.prefix}job:{job.id}"
    if final_version is not None:
        keys.client.hset(record, "version", 9)
    async with aclosing(feed.watch_job(job.id, ANYONE, final_only=True)) as updates, asyncio.timeout(10):
        waiting = asyncio.ensure_future(anext(updates))
        await eventually(lambda: _holds(store.reads > 0))
        if final_version is not None:
            keys.client.hset(record, "version", final_version - 2)
        finish(recorder, job)
        update = await waiting
        assert update.job.status is JobStatus.SUCCEEDED
        assert (update.job.version, update.folded) == ((3, 2) if final_version is None else (final_version, 0))
        with pytest.raises(StopAsyncIteration):
            await anext(updates)


async def test_unknown_job_raises_job_not_found(store_and_feed: tuple[CountingStore, JobFeed]) -> None:
    _, feed = store_and_feed
    for job_id in (UNKNOWN, "x", "0" * 10_000):
        with pytest.raises(JobNotFound):
            await anext(feed.watch_job(job_id, ANYONE))
    assert feed.subscribers == 0


async def test_job_that_disappears_ends_its_streams(store_and_feed: tuple[CountingStore, JobFeed], keys: Keys) -> None:
    """Without an event: it expires, or an operator deletes it. Streams of other jobs continue, and read nothing."""
    store, feed = store_and_feed
    job, other = await submit_job(store), await submit_job(store)
    ended = [asyncio.create_task(all_states(feed, job)) for _ in range(3)]
    continuing = asyncio.create_task(all_states(feed, other))
    await eventually(lambda: _holds(feed.subscribers == 4 and store.reads == 2))
    keys.client.delete(f"{keys.prefix}job:{job.id}")
    for error in await asyncio.wait_for(asyncio.gather(*ended, return_exceptions=True), 10):
        assert isinstance(error, JobNotFound)
    assert (feed.subscribers, continuing.done()) == (1, False)
    continuing.cancel()


async def test_shutdown_ends_subscriptions_and_refuses_new_ones(
    store_and_feed: tuple[CountingStore, JobFeed],
) -> None:
    store, feed = store_and_feed
    job = await submit_job(store)
    subscriptions = [asyncio.create_task(all_states(feed, job)) for _ in range(10)]
    await eventually(lambda: _holds(feed.subscribers == 10 and store.reads > 0))
    assert not feed.drained.is_set()
    await feed.stop()
    for ended in await asyncio.gather(*subscriptions, return_exceptions=True):
        assert isinstance(ended, BackendUnavailable)
    assert feed.drained.is_set()
    with pytest.raises(BackendUnavailable, match="this server is shutting down: subscribe again"):
        await anext(feed.watch_job(job.id, ANYONE))


async def test_closed_subscriptions_leave_no_topics_behind(store_and_feed: tuple[CountingStore, JobFeed]) -> None:
    store, feed = store_and_feed
    jobs = [await submit_job(store) for _ in range(5)]
    streams = [feed.watch_job(job.id, ANYONE) for job in jobs for _ in range(3)]
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


async def test_cancelled_subscriber_does_not_affect_others(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder
) -> None:
    store, feed = store_and_feed
    job = await submit_job(store)
    subscriptions = [asyncio.create_task(all_states(feed, job)) for _ in range(10)]
    await asyncio.sleep(0)
    subscriptions[0].cancel()
    finish(recorder, job)
    ends = await asyncio.gather(*subscriptions[1:])
    assert [states[-1].status for states in ends] == [JobStatus.SUCCEEDED] * 9


async def test_final_state_is_delivered_after_a_server_restart(tmp_path: Path) -> None:
    with programs.valkey(tmp_path, appendfsync="always") as server:
        settings = JobSettings(redis_url=server.url, key_prefix="own:")
        async with running_feed(settings) as (store, feed):
            job = await submit_job(store)
            async with aclosing(feed.watch_job(job.id, ANYONE)) as updates, asyncio.timeout(20):
                assert (await anext(updates)).job.version == 1
                assert server.program is not None
                server.program.kill()
                with programs.valkey(tmp_path, server.port):
                    # Most likely before the feed has reconnected: nothing receives the event.
                    finish(JobRecorder.connect(settings), job)
                    rest = [update.job async for update in updates]
    assert rest[-1].status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("after_version", [None, 9])
async def test_final_state_is_delivered_after_the_store_lost_recent_writes(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder, keys: Keys, after_version: int | None
) -> None:
    """As after a power failure or failover: the final state has a version that was already delivered."""
    store, feed = store_and_feed
    job = await submit_job(store)
    record = f"{keys.prefix}job:{job.id}"
    keys.client.hset(record, "version", 9)
    subscriptions = asyncio.create_task(all_states(feed, job, after_version))
    await eventually(lambda: _holds(store.reads > 0))
    keys.client.hset(record, "version", 1)
    finish(recorder, job)
    states = await subscriptions
    assert [state.status.is_final for state in states].count(True) == 1
    assert states[-1].status is JobStatus.SUCCEEDED
    assert states[-1].version < 9
    # A state that was delivered is still not sent again.
    assert await all_states(feed, job, after_version=states[-1].version) == []


async def test_closed_connection_is_replaced(
    store_and_feed: tuple[CountingStore, JobFeed], recorder: JobRecorder, redis_client: Any
) -> None:
    store, feed = store_and_feed
    job = await submit_job(store)
    async with aclosing(feed.watch_job(job.id, ANYONE)) as updates, asyncio.timeout(10):
        assert (await anext(updates)).job.version == 1
        redis_client.client_kill_filter(_type="pubsub")
        finish(recorder, job)
        rest = [update.job async for update in updates]
    assert rest[-1].status is JobStatus.SUCCEEDED


async def test_frozen_server_is_detected_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with programs.valkey(tmp_path) as server:
        settings = JobSettings(redis_url=server.url, key_prefix="own:")
        async with running_feed(settings) as (store, feed):
            job = await submit_job(store)
            async with aclosing(feed.watch_job(job.id, ANYONE)) as updates, asyncio.timeout(20):
                assert (await anext(updates)).job.version == 1
                server.freeze()
                await eventually(lambda: _holds("Event feed lost its Redis connection" in caplog.text))
                server.thaw()
                finish(JobRecorder.connect(settings), job)
                rest = [update.job async for update in updates]
    assert rest[-1].status is JobStatus.SUCCEEDED


async def test_outage_is_logged_once_and_then_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feed_module, "_RETRY_DELAY", timedelta(0))
    attempts: list[None] = []

    async def refused(_: JobStore) -> PubSub:
        attempts.append(None)
        raise BackendUnavailable from redis.ConnectionError("refused by the server")

    monkeypatch.setattr(JobStore, "subscribe_events", refused)
    async with running_feed(JobSettings()):
        await eventually(lambda: _holds(len(attempts) > 20))
        assert [record.getMessage() for record in caplog.records] == [
            "Event feed lost its Redis connection, reconnecting: ConnectionError: refused by the server"
        ]
        monkeypatch.setattr(feed_module, "_WARNING_INTERVAL", timedelta(0))
        await eventually(lambda: _holds(len(caplog.records) > 2))


async def _holds(condition: bool) -> bool:
    return condition


async def test_malformed_events_are_ignored(
    store_and_feed: tuple[CountingStore, JobFeed],
    recorder: JobRecorder,
    redis_client: redis.Redis,
    settings: JobSettings,
) -> None:
    """Sent by a newer version of this program, or by another program on the same channel."""
    store, feed = store_and_feed
    job = await submit_job(store)
    async with aclosing(feed.watch_job(job.id, ANYONE)) as updates, asyncio.timeout(10):
        assert (await anext(updates)).job.version == 1
        for text in ("", "nonsense", f"{job.id} two 3", f"{job.id} 2 1700000000000 and more", b"\xff\xfe"):
            assert redis_client.publish(f"{settings.key_prefix}events", text) == 1
        claim = grant_claim(recorder, job)
        assert (await anext(updates)).job.status == JobStatus.RUNNING
        assert recorder.complete_segment(claim, fake_result())
        assert (await anext(updates)).job.status == JobStatus.SUCCEEDED
