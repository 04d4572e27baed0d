"""A worker's place in the system: it says that it consumes, looks for what others lost, and sees to it that it goes on.

On the consumer's own timer, so that a worker whose loop hangs is no longer seen. Any number of workers may do this at
the same time: each look is one atomic script that finds only what is due.
"""

from __future__ import annotations

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
    from celery.worker import WorkController
    from celery.worker.consumer import Consumer

    from tasks.settings import JobSettings

log = get_logger(__name__)

_SEEN_EVERY_SECONDS = 5.0
_RECONCILE_EVERY_SECONDS = 1.0


def connect(app: Celery, settings: JobSettings) -> None:
    """Give each worker of an app its place."""
    HeartbeatStep.settings = ReleaseSegmentsStep.settings = settings
    app.steps["consumer"].add(HeartbeatStep)
    app.steps["worker"].add(ReleaseSegmentsStep)


class HeartbeatStep(bootsteps.StartStopStep):
    """While this worker consumes: says so every few seconds, and sends lost segments again.

    Where it does not, though it should, its connection is made anew; where that does not help, the worker ends with a
    failure, for whoever started it to start it again.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    settings: ClassVar[JobSettings]

    def __init__(self, consumer: Consumer, **options: Any) -> None:  # noqa: ANN401 - Celery's own options
        super().__init__(consumer, **options)
        # No retries: these run on the consumer's loop, and the next look comes soon.
        self._recorder = JobRecorder.connect(self.settings, retries=0)
        self._timers: list[Any] = []
        self._standstill = StallDetector()
        self._loop_watch = EventLoopWatchdog()
        self._taken_when_reconnected = -1

    def start(self, consumer: Consumer) -> None:
        """Begin with the first look at once, so that a new worker is seen before its first task."""
        self._loop_watch.start()
        self._seen(consumer)
        every = consumer.timer.call_repeatedly
        self._timers = [
            every(_SEEN_EVERY_SECONDS, self._seen, (consumer,)),
            every(_RECONCILE_EVERY_SECONDS, self._reconcile),
        ]

    def stop(self, consumer: Consumer) -> None:
        """The connection was lost, or the worker is being stopped."""
        del consumer
        self._loop_watch.stop()
        for timer in self._timers:
            timer.cancel()

    def _seen(self, consumer: Consumer) -> None:
        self._loop_watch.tick()
        try:
            waiting = self._recorder.seen(consumer.hostname, consumer.pool.num_processes)
        except redis.RedisError as error:
            log.warning("the job store does not answer: %s", error)
        else:
            self._go_on(waiting)

    def _go_on(self, waiting: int) -> None:
        """See whether this worker takes what waits.

        Raises:
            ConnectionError: it does not. Celery makes the consumer's connection anew.
        """
        taken = sum(state.total_count.values())
        if not self._standstill.is_noticed(waiting, taken, len(state.reserved_requests)):
            return
        if taken == self._taken_when_reconnected:
            log.critical("%d messages wait, and this worker takes none although it is connected anew: it ends", waiting)
            state.should_terminate = EX_FAILURE  # type: ignore[assignment] # the stubs know None alone
            return
        self._taken_when_reconnected = taken
        raise ConnectionError(f"{waiting} messages wait, and this worker takes none")

    def _reconcile(self) -> None:
        try:
            done = self._recorder.reconcile()
        except redis.RedisError as error:
            log.warning("the job store does not answer: %s", error)
        else:
            if done.resent or done.ended:
                log.warning("%d segments were sent again, %d left by lost workers", done.resent, done.expired)
                telemetry.tell(done)


class ReleaseSegmentsStep(bootsteps.StartStopStep):
    """A worker that is ended before its tasks are gives their segments to others, who need not wait for its leases."""

    requires = ("celery.worker.components:Pool",)
    settings: ClassVar[JobSettings]

    def start(self, worker: WorkController) -> None:
        """There is nothing yet to give."""

    def stop(self, worker: WorkController) -> None:
        """Warmly: its tasks are finished first."""

    def terminate(self, worker: WorkController) -> None:
        """Coldly: what its processes still write, until they are killed, is refused."""
        try:
            handed = JobRecorder.connect(self.settings, retries=0).release_segments(worker.hostname)  # type: ignore[attr-defined] # not in the stubs
        except redis.RedisError as error:
            log.warning("segments could not be handed back, their leases will run out: %s", error)
        else:
            log.info("%d segments were handed back", handed)
