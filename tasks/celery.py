"""The Celery app: entry point of the worker process (`celery -A tasks worker`).

Each setting was tried with workers and brokers killed; what it prevents is beside it. Messages are written by the
scripts of tasks.storage, in one step with the record: nothing here publishes.
"""

from __future__ import annotations

from celery import Celery
from kombu import Queue

from tasks.settings import JobSettings
from tasks.storage.messages import LARGE_QUEUE, QUEUES
from tasks.worker import gc_freeze, heartbeat, shutdown, telemetry

settings = JobSettings()

app = Celery("tasks", broker=settings.broker_url, include=["tasks.worker.generate_segment"])
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
    # For SIGQUIT, and SIGTERM with REMAP_SIGTERM=SIGQUIT; then what is unfinished is handed back.
    worker_soft_shutdown_timeout=2,
    # Remote control keeps keys without a time-to-live; who works is told by tasks.worker.heartbeat.
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A store that refuses for a while, since its disk is full or it has become a replica, is asked again like one that
    # is away; without this the worker ends.
    broker_channel_error_retry=True,
    broker_transport_options={
        "global_keyprefix": settings.key_prefix,
        # Small jobs first; lists for other priorities than 0 are not used.
        "queue_order_strategy": "priority",
        "priority_steps": [0],
        # No books in the store of what is not acknowledged: the record knows, and a store that is out of memory
        # refuses to keep them, which would end the worker.
        "ack_emulation": False,
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        "health_check_interval": 5,
    },
)


gc_freeze.connect()
heartbeat.connect(app, settings)
shutdown.connect(app, settings)
telemetry.connect()
