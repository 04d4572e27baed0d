"""Live updates: tells those who watch a job of its newest state. One broker connection feeds a whole process.

An event says only that a job has a new version; what subscribers get is the record, read after it. So a late, slow
or reconnecting subscriber is correct by construction: it gets the newest state, in-between ones are folded, and
nothing queues up behind one that does not read. Subscribers of the same job share the reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.callers import ANYONE
from tasks.cancellation import cancel_and_wait
from tasks.errors import BackendUnavailable, JobNotFound
from tasks.instrumentation import metrics, tracing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio.client import PubSub

    from tasks.api.job_store import JobStore
    from tasks.callers import Caller
    from tasks.jobs import Job

log = logging.getLogger(__name__)

# A connection that was silent for so long is asked whether it is alive, and has so long to answer.
_SILENCE = timedelta(seconds=5)
_PONG_TIMEOUT = timedelta(seconds=2)

# Between two attempts to reach the broker, or to read a record during an outage.
_RECONNECT_DELAY = timedelta(milliseconds=250)

# A subscriber sits out an outage of the store for so long: a restart takes seconds.
_OUTAGE_PATIENCE = timedelta(seconds=30)


class _Topic:
    """One job that is watched by its caller: its newest snapshot, and the signal that there may be a newer one."""

    def __init__(self, job_id: str, caller: Caller, store: JobStore) -> None:
        self.subscribers = 0
        # Counts the reasons to read again; a snapshot is fresh if reading it began at the current count.
        self.generation = 0
        self.changed = asyncio.Event()
        # The newest event: the version that was committed, and when, by the store's clock.
        self.event = (-1, 0)
        self._job_id = job_id
        self._caller = caller
        self._store = store
        self._snapshot: Job | None = None
        self._snapshot_generation = 0
        self._snapshot_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    def signal(self) -> None:
        """There may be something new: wake all who wait."""
        self.generation += 1
        self.changed.set()
        self.changed = asyncio.Event()

    async def snapshot(self) -> Job | None:
        """The job as it is now or was later than the last signal, read once for all who ask meanwhile."""
        wanted = self.generation
        while self._snapshot_generation < wanted:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
                # Looked at even if all who asked have left, or asyncio would report it as forgotten.
                self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
            # Shielded: one subscriber that leaves must not take the answer from the others.
            await asyncio.shield(self._reading)
        return self._snapshot

    def lag(self, job: Job) -> float | None:
        """Seconds since the newest event was committed, if that is what this state was read for.

        From one reading of the store's clock to another, and on by this process's own: clocks of hosts may differ.
        """
        version, committed_ms = self.event
        if version != job.version:
            return None
        read_ms = job.read_at.timestamp() * 1000
        return max(0.0, (read_ms - committed_ms) / 1000) + time.monotonic() - self._snapshot_at

    async def _read(self) -> None:
        generation = self.generation
        try:
            asked_at = time.monotonic()
            [self._snapshot] = await self._store.get_jobs([self._job_id], self._caller)
            self._snapshot_at = asked_at
            self._snapshot_generation = generation
        finally:
            self._reading = None


class JobFeed:
    """The process's one feed; started and stopped with the application."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        # By id, and then by who asks, be it theirs or not.
        self._topics: dict[str, dict[Caller, _Topic]] = {}
        self._listener: asyncio.Task[None] | None = None
        # Set when this process is being stopped.
        self.shutting_down = asyncio.Event()
        # Set while no stream is open.
        self.drained = asyncio.Event()
        self.drained.set()

    @property
    def subscribers(self) -> int:
        """How many streams are open now."""
        return sum(topic.subscribers for topic in self._all())

    def start(self) -> None:
        """Begin to listen; an outage is logged and sat out."""
        self._listener = asyncio.create_task(self._listen(), name="job feed")

    async def stop(self) -> None:
        """End all streams, each with BackendUnavailable, and stop listening."""
        self.begin_shutdown()
        if self._listener is not None:
            await cancel_and_wait(self._listener)

    def begin_shutdown(self) -> None:
        """Tell all streams that this process is being stopped; new ones are refused."""
        self.shutting_down.set()
        self._signal_all()

    async def watch_job(
        self, job_id: str, after_version: int | None = None, caller: Caller = ANYONE
    ) -> AsyncGenerator[Job]:
        """The job's current state, then each newer one, and the end after the final one.

        Args:
            job_id: any text.
            after_version: what the subscriber has seen already; only newer states come. An end always comes, unless it
                is the very one that was seen.
            caller: who subscribes.

        Raises:
            JobNotFound: the caller has no such job, or its record expired meanwhile.
            BackendUnavailable: the store did not answer at the start, was away for longer than a restart takes, or this
                process is being stopped.
        """
        # Registered first, read then: a change in between is seen in the record or signalled, never lost.
        topics = self._topics.setdefault(job_id, {})
        topic = topics.setdefault(caller, _Topic(job_id, caller, self._store))
        topic.subscribers += 1
        topic.generation += 1
        self.drained.clear()
        try:
            seen = after_version if after_version is not None else -1
            told = False
            read = self._read
            while True:
                # Taken before the record is read: a change while it is read, or while the subscriber is busy with it,
                # has set this signal, and the wait below is over at once.
                changed = topic.changed
                job = await read(topic, job_id)
                # A store that lost its last moments tells the end under a version that was seen before they were lost.
                lost = job.status.is_final and (told or job.version < seen)
                if job.version > seen or lost:
                    delivery = tracing.start_delivery_span(job)
                    yield job
                    delivery.end()
                    _count(topic, job, seen)
                    seen, told = job.version, True
                if job.status.is_final:
                    return
                await changed.wait()
                read = self._read_through_outage
        finally:
            topic.subscribers -= 1
            if not topic.subscribers:
                topics.pop(caller, None)
            if not topics:
                self._topics.pop(job_id, None)
            if not self._topics:
                self.drained.set()

    async def _read(self, topic: _Topic, job_id: str) -> Job:
        if self.shutting_down.is_set():
            raise BackendUnavailable("this server is being stopped: subscribe again")
        job = await topic.snapshot()
        if job is None:
            raise JobNotFound(job_id)
        return job

    async def _read_through_outage(self, topic: _Topic, job_id: str) -> Job:
        deadline = asyncio.get_running_loop().time() + _OUTAGE_PATIENCE.total_seconds()
        while True:
            try:
                return await self._read(topic, job_id)
            except BackendUnavailable:
                if self.shutting_down.is_set() or asyncio.get_running_loop().time() > deadline:
                    raise
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RECONNECT_DELAY.total_seconds()):
                        await topic.changed.wait()

    async def _listen(self) -> None:
        while True:
            try:
                events = await self._store.subscribe_events()
                async with events:
                    # Events may have been missed while there was no connection: all watched jobs are read again.
                    self._signal_all()
                    await self._relay(events)
            except (BackendUnavailable, RedisError, OSError, TimeoutError) as error:
                metrics.FEED_RECONNECTS.add(1)
                log.warning("the feed lost its broker connection and will reconnect: %r", error)
                await asyncio.sleep(_RECONNECT_DELAY.total_seconds())

    async def _relay(self, events: PubSub) -> None:
        asked = False
        while True:
            message = await events.get_message(timeout=(_PONG_TIMEOUT if asked else _SILENCE).total_seconds())
            if message is None and asked:
                raise BackendUnavailable("the broker does not answer a ping")
            asked = message is None
            if message is None:
                await events.ping()
            elif message["type"] == "message":
                self._tell(message["data"])

    def _tell(self, event: bytes) -> None:
        try:
            # What a newer version may say beyond this is not for us.
            job_id, version, committed_ms = event.decode().split()[:3]
            told = (int(version), int(committed_ms))
        except ValueError:
            # Not ours, or not for us. A feed that ended here would leave all subscribers without a word.
            log.warning("an event was not understood: %.100r", event)
            return
        for topic in self._topics.get(job_id, {}).values():
            topic.event = told
            topic.signal()

    def _signal_all(self) -> None:
        for topic in self._all():
            topic.signal()

    def _all(self) -> list[_Topic]:
        return [topic for topics in self._topics.values() for topic in topics.values()]


def _count(topic: _Topic, job: Job, seen: int) -> None:
    metrics.EVENTS_DELIVERED.add(1)
    if seen >= 0 and job.version > seen + 1:
        metrics.EVENTS_FOLDED.add(job.version - seen - 1)
    if (lag := topic.lag(job)) is not None:
        metrics.EVENT_LAG.record(lag)
