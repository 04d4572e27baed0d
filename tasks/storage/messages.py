"""Queues, and the message that asks a worker to compute one segment. Scripts send it; nothing calls `delay`."""

from __future__ import annotations

import json

from tasks.jobs import SMALL_JOB_PRIMES

SMALL_QUEUE = "small"
LARGE_QUEUE = "large"
# Highest priority first: the order in which workers take messages.
QUEUES = (SMALL_QUEUE, LARGE_QUEUE)

SEGMENT_TASK = "generate_segment"

# Segments of one job that are queued or being worked on at a time: enough for four processes, each of which stores one
# and computes another; few enough for jobs to take turns.
SENDING_WINDOW = 8

# The message as Celery encodes it for a Redis broker, with the placeholders @job@, @index@, @sends@, @queue@ and
# @traceparent@. Scripts find a cancelled job's messages in the queue by comparing texts: a version that changes this
# text cannot withdraw what another version has sent. `origin` therefore names a module that no longer exists.
MESSAGE_TEMPLATE = json.dumps(
    {
        "body": '[["@job@", @index@], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": SEGMENT_TASK,
            "id": "@job@:@index@",
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": "@job@:@index@",
            "parent_id": None,
            "argsrepr": "",
            "kwargsrepr": "{}",
            "origin": "tasks.records",
            "ignore_result": True,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
            "traceparent": "@traceparent@",
        },
        "properties": {
            "correlation_id": "@job@:@index@",
            "reply_to": "",
            "delivery_info": {"exchange": "", "routing_key": "@queue@"},
            "priority": 0,
            "delivery_tag": "@job@:@index@:@sends@",
            "delivery_mode": 2,
        },
    }
)


def queue_for(count: int) -> str:
    """Queue of a job with `count` primes. Small jobs have their own, so they never wait behind large ones."""
    return SMALL_QUEUE if count <= SMALL_JOB_PRIMES else LARGE_QUEUE
