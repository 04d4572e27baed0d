"""Live updates: delivers the newest state of a job to its subscribers. One Redis connection serves the whole process.

An event only announces that a job has a new version; subscribers receive the record, read after the event. So a late,
slow or reconnecting subscriber is correct by construction: it receives the newest state, intermediate states are
skipped, and nothing queues up for a subscriber that does not read. Subscribers of the same job share the reads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.cancellation import cancel_and_wait
from tasks.errors import BackendUnavailable, JobNotFound
from tasks.instrumentation import metrics, tracing
from tasks.jobs import JobUpdate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from redis.asyncio.client import PubSub

    from tasks.api.job_store import JobStore
    from tasks.callers import Caller
    from tasks.jobs import Job

log = logging.getLogger(__name__)

# A connection without events for this time gets a ping, and is replaced unless it responds within the timeout.
_PING_AFTER = timedelta(seconds=5)
_PONG_TIMEOUT = timedelta(seconds=2)

# Between two warnings about the same outage.
_WARNING_INTERVAL = timedelta(minutes=1)

# Between two attempts to connect, or to read a record during an outage.
_RETRY_DELAY = timedelta(milliseconds=250)

# A subscription survives an outage of the store of this length. A restart takes seconds.
_MAX_OUTAGE = timedelta(seconds=30)

# A job that expires or is deleted has no event. Looking for such jobs costs one command for this many.
_EXISTENCE_INTERVAL = timedelta(seconds=2)
_EXISTENCE_BATCH = 1_000

# Until the first event: no job has this version.
_NO_EVENT = (-1, 0)


class _Topic:
    """One subscribed job of one caller: its newest snapshot, and the signal that a newer one may exist."""

    def __init__(self, job_id: str, caller: Caller, store: JobStore) -> None:
        self.subscribers = 0
        # Incremented by every reason to read again. A snapshot is current if its read started at this generation.
        self.generation = 0
        self.changed = asyncio.Event()
        # Version and commit time, in ms of the store's clock, of the newest event.
        self.event = _NO_EVENT
        self._job_id = job_id
        self._caller = caller
        self._store = store
        self._snapshot: Job | None = None
        self._snapshot_generation = 0
        self._snapshot_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    def notify(self) -> None:
        """Wake all subscribers: a newer state may exist."""
        self.generation += 1
        self.changed.set()
        self.changed = asyncio.Event()

    async def snapshot(self) -> Job:
        """The job, read after the last notification. Concurrent subscribers share one read."""
        generation = self.generation
        while self._snapshot_generation < generation:
            if self._reading is None:
                self._reading = asyncio.create_task(self._read())
                # Retrieve the exception even if all subscribers have left: asyncio would log it as never retrieved.
                self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
            # Shielded: a subscriber that leaves must not cancel the read of the others.
            await asyncio.shield(self._reading)
        if self._snapshot is None:
            raise JobNotFound(self._job_id)
        return self._snapshot

    def lag(self, job: Job) -> float | None:
        """Seconds from the commit of the newest event until now, if the job has that event's version.

        Uses the store's clock up to the read and this process's monotonic clock after it: host clocks may differ.
        """
        version, committed_ms = self.event
        if version != job.version:
            return None
        read_ms = job.read_at.timestamp() * 1000
        return max(0.0, (read_ms - committed_ms) / 1000) + time.monotonic() - self._snapshot_at

    async def _read(self) -> None:
        generation = self.generation
        try:
            started_at = time.monotonic()
            [self._snapshot] = await self._store.get_jobs([self._job_id], self._caller)
            self._snapshot_at = started_at
            self._snapshot_generation = generation
        finally:
            self._reading = None


class _Subscription:
    """One subscriber of a topic: waits for the job's states, and decides which of them the subscriber receives."""

    def __init__(
        self, topic: _Topic, after_version: int | None, *, final_only: bool, shutting_down: asyncio.Event
    ) -> None:
        self._topic = topic
        self._final_only = final_only
        self._shutting_down = shutting_down
        self._changed = topic.changed
        # The version that the subscriber had before it subscribed, until it receives another.
        self._resumed_after = after_version
        # Newer versions are delivered, and those in between are counted. Set by the first state if nothing was resumed.
        self._version = after_version

    async def current_state(self) -> Job:
        """The job now. Raises BackendUnavailable also while this process is shutting down."""
        # Taken before the read: a change during the read, or while the subscriber handles the state, sets this event.
        self._changed = self._topic.changed
        if self._shutting_down.is_set():
            raise BackendUnavailable("this server is shutting down: subscribe again")
        return await self._topic.snapshot()

    async def next_state(self) -> Job:
        """The job after the next change. Raises BackendUnavailable only after an outage longer than a restart."""
        await self._changed.wait()
        deadline = asyncio.get_running_loop().time() + _MAX_OUTAGE.total_seconds()
        while True:
            try:
                return await self.current_state()
            except BackendUnavailable:
                if self._shutting_down.is_set() or asyncio.get_running_loop().time() > deadline:
                    raise
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY_DELAY.total_seconds()):
                        await self._changed.wait()

    def update(self, job: Job) -> JobUpdate | None:
        """What the subscriber receives of a state: None if the state is not new, or not wanted."""
        if self._version is None:
            self._version = job.version - 1
        if job.status.is_final:
            # Not only if newer: a store that lost its last writes can reach the final state at a delivered version.
            is_new = job.version != self._resumed_after
        else:
            is_new = job.version > self._version and not self._final_only
        return JobUpdate(job, max(0, job.version - self._version - 1)) if is_new else None

    @contextmanager
    def delivering(self, update: JobUpdate) -> Iterator[None]:
        """Trace the delivery of an update, and record it when the block ends."""
        span = tracing.start_delivery_span(update.job)
        yield
        span.end()
        self._resumed_after, self._version = None, update.job.version
        metrics.EVENTS_DELIVERED.add(1)
        if update.folded:
            metrics.EVENTS_FOLDED.add(update.folded)
        if (lag := self._topic.lag(update.job)) is not None:
            metrics.EVENT_LAG.record(lag)


class JobFeed:
    """The event feed of a process, started and stopped with the application."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        # By job id and caller, whether or not the job belongs to the caller.
        self._topics: dict[str, dict[Caller, _Topic]] = {}
        self._loops: tuple[asyncio.Task[None], ...] = ()
        # Set when this process is shutting down.
        self.shutting_down = asyncio.Event()
        # Set while no subscription is open.
        self.drained = asyncio.Event()
        self.drained.set()

    @property
    def subscribers(self) -> int:
        """Number of open subscriptions."""
        return sum(topic.subscribers for topic in self._all_topics())

    def start(self) -> None:
        """Start listening. Outages are logged, and the connection is retried."""
        self._loops = (
            asyncio.create_task(self._listen(), name="job feed"),
            asyncio.create_task(self._find_missing(), name="missing jobs"),
        )

    async def stop(self) -> None:
        """End all subscriptions with BackendUnavailable and stop listening."""
        self.begin_shutdown()
        for loop in self._loops:
            await cancel_and_wait(loop)

    def begin_shutdown(self) -> None:
        """End all subscriptions with BackendUnavailable and refuse new ones."""
        self.shutting_down.set()
        self._notify_all()

    async def watch_job(
        self, job_id: str, caller: Caller, after_version: int | None = None, *, final_only: bool = False
    ) -> AsyncGenerator[JobUpdate]:
        """Yield the job's current state and then each newer one, and return after the final one.

        Args:
            job_id: any text.
            caller: the subscriber.
            after_version: the last version that the subscriber has received: only newer states are yielded, and the
                final state unless it is this very version.
            final_only: whether to skip all states but the final one.

        Raises:
            JobNotFound: the caller has no such job, or its record expired meanwhile.
            BackendUnavailable: the store was unavailable at the start, or for longer than a restart takes, or this
                process is shutting down.
        """
        with self._subscribed(job_id, caller) as topic:
            subscription = _Subscription(topic, after_version, final_only=final_only, shutting_down=self.shutting_down)
            job = await subscription.current_state()
            while True:
                if (update := subscription.update(job)) is not None:
                    with subscription.delivering(update):
                        yield update
                if job.status.is_final:
                    return
                job = await subscription.next_state()

    @contextmanager
    def _subscribed(self, job_id: str, caller: Caller) -> Iterator[_Topic]:
        """Count one subscriber of the caller's job while the block runs.

        Registered before the first read: a change in between is either in the record or notified, never lost.
        """
        topics = self._topics.setdefault(job_id, {})
        topic = topics.setdefault(caller, _Topic(job_id, caller, self._store))
        topic.subscribers += 1
        topic.generation += 1
        self.drained.clear()
        try:
            yield topic
        finally:
            topic.subscribers -= 1
            if not topic.subscribers:
                topics.pop(caller, None)
            if not topics:
                self._topics.pop(job_id, None)
            if not self._topics:
                self.drained.set()

    async def _listen(self) -> None:
        warned_at: float | None = None
        while True:
            try:
                events = await self._store.subscribe_events()
                async with events:
                    warned_at = None
                    # Events may have been missed while disconnected: read all subscribed jobs again.
                    self._notify_all()
                    await self._receive(events)
            except (BackendUnavailable, RedisError, OSError, TimeoutError) as error:
                metrics.FEED_RECONNECTS.add(1)
                now = time.monotonic()
                if warned_at is None or now - warned_at >= _WARNING_INTERVAL.total_seconds():
                    warned_at = now
                    cause = error.__cause__ or error
                    text = "Event feed lost its Redis connection, reconnecting: %s: %s"
                    log.warning(text, type(cause).__name__, cause)
                await asyncio.sleep(_RETRY_DELAY.total_seconds())

    async def _receive(self, events: PubSub) -> None:
        ping_sent = False
        while True:
            message = await events.get_message(timeout=(_PONG_TIMEOUT if ping_sent else _PING_AFTER).total_seconds())
            if message is None and ping_sent:
                raise BackendUnavailable(f"no response to a ping within {_PONG_TIMEOUT.seconds} s")
            ping_sent = message is None
            if message is None:
                await events.ping()
            elif message["type"] == "message":
                self._dispatch(message["data"])

    def _dispatch(self, data: bytes) -> None:
        try:
            # Newer versions of this program may append fields.
            job_id, version, committed_ms = data.decode().split()[:3]
            event = (int(version), int(committed_ms))
        except ValueError:
            # From another program on this channel. An exception here would end the feed for all subscribers.
            log.warning("Ignored a malformed event: %.100r", data)
            return
        for topic in self._topics.get(job_id, {}).values():
            topic.event = event
            topic.notify()

    async def _find_missing(self) -> None:
        """Let subscribers read their job again when it does not exist any more."""
        while True:
            await asyncio.sleep(_EXISTENCE_INTERVAL.total_seconds())
            job_ids = list(self._topics)
            for start in range(0, len(job_ids), _EXISTENCE_BATCH):
                batch = job_ids[start : start + _EXISTENCE_BATCH]
                with suppress(BackendUnavailable):
                    if await self._store.count_existing(batch) < len(batch):
                        self._notify(batch)

    def _notify_all(self) -> None:
        self._notify(self._topics)

    def _notify(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            for topic in self._topics.get(job_id, {}).values():
                topic.notify()

    def _all_topics(self) -> list[_Topic]:
        return [topic for topics in self._topics.values() for topic in topics.values()]
