"""Queues, and the Celery message that asks a worker to compute one segment. Scripts send it; nothing calls `delay`."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from celery import Celery
from kombu import Connection
from kombu.serialization import dumps

from tasks.jobs import SMALL_JOB_PRIMES

SMALL_QUEUE = "small"
LARGE_QUEUE = "large"
# Highest priority first: the order in which workers take messages.
QUEUES = (SMALL_QUEUE, LARGE_QUEUE)

SEGMENT_TASK = "generate_segment"

# Segments of one job that are queued at a time: enough for a few workers, few enough for jobs to take turns.
SENDING_WINDOW = 4


def queue_for(count: int) -> str:
    """Queue of a job with `count` primes. Small jobs have their own, so they never wait behind large ones."""
    return SMALL_QUEUE if count <= SMALL_JOB_PRIMES else LARGE_QUEUE


@cache
def message_template() -> str:
    """A message in Celery's own encoding, as JSON. Scripts replace the placeholders @job@, @index@, @queue@ and so on.

    Every process must produce the same text: a cancelled job's messages are found in the queue by comparing them.
    """
    task = Celery(set_as_current=False).amqp.as_task_v2(
        "@job@:@index@",
        SEGMENT_TASK,
        args=("@job@", 0),
        kwargs={},
        ignore_result=True,
        # Not a module of today: part of the text that must not change between versions.
        origin="tasks.records",
    )
    content_type, content_encoding, body = dumps(task.body, serializer="json")
    headers = {**task.headers, "argsrepr": "", "traceparent": "@traceparent@"}
    with Connection("memory://") as connection, connection.channel() as channel:
        message: dict[str, Any] = channel.prepare_message(  # type: ignore[attr-defined] # of virtual transports
            body, 0, content_type, content_encoding, headers, task.properties
        )
    message["properties"] |= {
        "delivery_tag": "@tag@",
        "delivery_info": {"exchange": "", "routing_key": "@queue@"},
        "delivery_mode": 2,
    }
    # The index must be a number inside the body, which is JSON in JSON: inserted after both were encoded.
    return json.dumps(message).replace('[\\"@job@\\", 0]', '[\\"@job@\\", @index@]')
