"""The Celery app: entry point of the worker process (`celery -A tasks worker`).

Each setting was tried with workers and brokers killed; what it prevents is beside it. Messages are written by the
scripts of tasks.records, in one step with the record: nothing here publishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from celery import Celery, bootsteps
from celery.utils.log import get_logger
from kombu import Queue

from tasks import telemetry
from tasks.recorder import Recorder
from tasks.records import LARGE_QUEUE, QUEUES
from tasks.settings import JobSettings

if TYPE_CHECKING:
    from celery.worker.consumer import Consumer

log = get_logger(__name__)

settings = JobSettings()

app = Celery("tasks", broker=str(settings.redis_url), include=["tasks.generate"])
app.conf.update(
    task_queues=[Queue(name) for name in QUEUES],
    task_default_queue=LARGE_QUEUE,
    # The record is the one truth: a result backend calls unknown ids PENDING and blocks when the broker is down.
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    # A lost message is sent again by the reconciler; re-running a poison task for ever is what the others would do.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    # True lost the running task in each broker restart.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=3,
    # A child that is stuck in a segment is killed when the whole job could have been done, and replaced.
    task_time_limit=settings.job_time_limit_seconds,
    # Remote control keeps keys without a time-to-live; who works is told by WorkerPresence.
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "global_keyprefix": settings.key_prefix,
        # Small jobs first; lists for other priorities than 0 are not used.
        "queue_order_strategy": "priority",
        "priority_steps": [0],
        "visibility_timeout": 3600,
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        "health_check_interval": 5,
    },
)


class WorkerPresence(bootsteps.StartStopStep):
    """While this worker consumes: says so every few seconds, and sends lost segments again.

    On the consumer's own timer, so that a worker whose loop hangs is no longer seen. Any number of workers may do
    this at the same time: each look is one atomic script that finds only what is due.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    SEEN_EVERY_SECONDS = 5.0
    RECONCILE_EVERY_SECONDS = 1.0

    def __init__(self, consumer: Consumer, **options: Any) -> None:  # noqa: ANN401 - Celery's own options
        super().__init__(consumer, **options)
        # No retries: these run on the consumer's loop, and the next look comes soon.
        self._recorder = Recorder.connect(settings, retries=0)
        self._timers: list[Any] = []

    def start(self, consumer: Consumer) -> None:
        """Begin with the first look at once, so that a new worker is seen before its first task."""
        self._seen(consumer)
        every = consumer.timer.call_repeatedly
        self._timers = [
            every(self.SEEN_EVERY_SECONDS, self._seen, (consumer,)),
            every(self.RECONCILE_EVERY_SECONDS, self._reconcile),
        ]

    def stop(self, consumer: Consumer) -> None:
        """The connection was lost, or the worker is being stopped."""
        del consumer
        for timer in self._timers:
            timer.cancel()

    def _seen(self, consumer: Consumer) -> None:
        try:
            self._recorder.seen(consumer.hostname, consumer.pool.num_processes)
        except redis.RedisError as error:
            log.warning("the job store does not answer: %s", error)

    def _reconcile(self) -> None:
        try:
            done = self._recorder.reconcile()
        except redis.RedisError as error:
            log.warning("the job store does not answer: %s", error)
        else:
            if done.resent or done.ended:
                log.warning("%d segments were sent again, %d left by lost workers", done.resent, done.expired)
                telemetry.tell(done)


app.steps["consumer"].add(WorkerPresence)
telemetry.connect()
