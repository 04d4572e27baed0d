"""The Celery app: entry point of the worker process (`celery -A tasks worker`).

Each setting was tested by killing workers and brokers; the comment beside it names the failure it prevents. Lua scripts
write the messages together with the job record, so Celery never publishes any.
"""

from __future__ import annotations

import os
import re

from celery import Celery
from kombu import Queue

from observability import environment
from tasks.settings import JobSettings
from tasks.settings.errors import read_or_exit
from tasks.storage.messages import LARGE_QUEUE, QUEUES
from tasks.worker import heartbeat, memory, shutdown, startup, telemetry, termination

# Variables of Celery that say how a process runs. Any other would override what follows.
_PROCESS_OPTIONS = re.compile(
    "CELERY_(APP|QUIET|NO_COLOR|WORKDIR|WORKER_(CONCURRENCY|AUTOSCALE|HOSTNAME|LOGLEVEL|LOGFILE|PIDFILE|UID|GID|UMASK|"
    "POOL|MAX_TASKS_PER_CHILD|MAX_MEMORY_PER_CHILD|WITHOUT_(GOSSIP|MINGLE|HEARTBEAT)))"
)
for name in [name for name in os.environ if name.startswith("CELERY_") and not _PROCESS_OPTIONS.fullmatch(name)]:
    environment.ignore(name, "broker, queues and behaviour of a worker are set in tasks.celery")

settings = read_or_exit(JobSettings)

app = Celery(
    "tasks",
    broker=settings.store.celery_url,
    include=["tasks.worker.generate_segment"],
    # Celery's own would load the Django project in DJANGO_SETTINGS_MODULE.
    fixups=[],
)
app.conf.update(
    # Not a setting of Celery: read by tasks.worker.generate_segment.
    job_settings=settings,
    task_queues=[Queue(name) for name in QUEUES],
    task_default_queue=LARGE_QUEUE,
    # The job record has the state. A result backend reports unknown ids as PENDING and blocks when the broker is down.
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    # The reconciler sends lost messages again. Late acknowledgement would redeliver a poison message forever.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    # True would lose the running task whenever the broker restarts.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # Remote control leaves keys without a time-to-live; tasks.worker.heartbeat registers workers instead.
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=True,
    # Explicit, because Celery would read the options of a URL in its own way.
    broker_use_ssl=dict(settings.store.tls or {}),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # Reconnect also when the store refuses commands, because its disk is full or it became a replica. Otherwise the
    # worker would exit.
    broker_channel_error_retry=True,
    broker_transport_options={
        "global_keyprefix": settings.key_prefix,
        # Small jobs first. Only priority 0 is used.
        "queue_order_strategy": "priority",
        "priority_steps": [0],
        # Do not track unacknowledged messages in the store: the job record does, and a store that is out of memory
        # would refuse the write, which ends the worker.
        "ack_emulation": False,
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "socket_keepalive": True,
        "health_check_interval": 5,
    },
)


startup.connect(settings)
heartbeat.connect(app, settings)
memory.connect()
shutdown.connect(app)
telemetry.connect()
termination.connect()
