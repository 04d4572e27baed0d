"""Heartbeat of a worker: registers it as consuming, rescues lost segments, and reconnects or ends a stalled worker.

Runs on the consumer's own timer, so a worker whose loop hangs has no heartbeat either. Any number of workers may
reconcile at the same time: each run is one atomic script that handles only what is due.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

import redis
from celery import bootsteps
from celery.platforms import EX_FAILURE
from celery.utils.log import get_logger
from celery.worker import state

from tasks.worker import telemetry
from tasks.worker.job_recorder import JobRecorder
from tasks.worker.watchdog import EventLoopWatchdog, StallDetector

if TYPE_CHECKING:
    from celery import Celery
    from celery.worker.consumer import Consumer

    from tasks.settings import JobSettings

log = get_logger(__name__)

_HEARTBEAT_INTERVAL_SECONDS = 5.0
_RECONCILE_INTERVAL_SECONDS = 1.0

# Between two warnings about the same outage.
_WARNING_INTERVAL_SECONDS = 60.0


def connect(app: Celery, settings: JobSettings) -> None:
    """Add the heartbeat to each worker of an app."""
    HeartbeatStep.settings = settings
    app.steps["consumer"].add(HeartbeatStep)


class HeartbeatStep(bootsteps.StartStopStep):
    """Sends heartbeats and reconciles while the consumer runs.

    A stalled worker reconnects once. If it is still stalled, it exits with a failure code, for its supervisor to
    restart it.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    settings: ClassVar[JobSettings]

    def __init__(self, consumer: Consumer, **options: Any) -> None:  # noqa: ANN401 - Celery's own options
        super().__init__(consumer, **options)
        # No retries: these calls block the consumer's loop, and the next one comes soon.
        self._recorder = JobRecorder.connect(self.settings, retries=0)
        self._timers: list[Any] = []
        self._stall_detector = StallDetector()
        self._watchdog = EventLoopWatchdog()
        self._consumed_at_reconnect = -1
        self._warned_at: float | None = None

    def start(self, consumer: Consumer) -> None:
        """Send the first heartbeat at once, so that a new worker is registered before its first task."""
        self._watchdog.start()
        self._send_heartbeat(consumer)
        call_repeatedly = consumer.timer.call_repeatedly
        self._timers = [
            call_repeatedly(_HEARTBEAT_INTERVAL_SECONDS, self._send_heartbeat, (consumer,)),
            call_repeatedly(_RECONCILE_INTERVAL_SECONDS, self._reconcile),
        ]

    def stop(self, consumer: Consumer) -> None:
        """Stop the timers: the connection was lost, or the worker shuts down."""
        del consumer
        self._watchdog.stop()
        for timer in self._timers:
            timer.cancel()

    def _send_heartbeat(self, consumer: Consumer) -> None:
        self._watchdog.tick()
        if not consumer.pool.active:
            # The worker shuts down, and its pool has ended already.
            return
        try:
            queued = self._recorder.heartbeat(consumer.hostname, consumer.pool.num_processes)
        except redis.RedisError as error:
            self._warn("Heartbeat", error)
        else:
            self._warned_at = None
            self._check_for_stall(queued)

    def _warn(self, action: str, error: redis.RedisError) -> None:
        """Log the first failure of an outage, and then one a minute."""
        now = time.monotonic()
        if self._warned_at is None or now - self._warned_at >= _WARNING_INTERVAL_SECONDS:
            self._warned_at = now
            is_refused = isinstance(error, redis.ResponseError)
            reason = "the job store refused it" if is_refused else "the job store is unavailable"
            log.warning("%s failed, %s: %s", action, reason, error)

    def _check_for_stall(self, queued: int) -> None:
        """Reconnect or end this worker if it consumes nothing although messages are queued.

        Raises:
            ConnectionError: first stall: Celery reconnects the consumer.
        """
        consumed = sum(state.total_count.values())
        if not self._stall_detector.detect(queued, consumed, running=len(state.reserved_requests)):
            return
        if consumed == self._consumed_at_reconnect:
            log.critical("Worker stalled: %d messages queued, none consumed after reconnecting. Exiting.", queued)
            state.should_terminate = EX_FAILURE  # type: ignore[assignment] # the stubs know None alone
            return
        self._consumed_at_reconnect = consumed
        raise ConnectionError(f"Worker stalled: {queued} messages queued, none consumed. Reconnecting.")

    def _reconcile(self) -> None:
        try:
            done = self._recorder.reconcile()
        except redis.RedisError as error:
            self._warn("Reconciling", error)
        else:
            if done.resent_segments or done.ended_jobs:
                log.warning(
                    "Reconciled: %d segments sent again, %d leases expired, %d jobs failed",
                    done.resent_segments,
                    done.expired_leases,
                    len(done.ended_jobs),
                )
                telemetry.export_reconciliation(done)
