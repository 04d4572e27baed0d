"""The Celery task: compute the segment that a message names, and after it those that are due next.

There are two queues, and each segment is one attempt (tasks.worker.attempt), in the trace of its job:

- `small` (tasks.worker.small_batch): claim a segment, compute it and complete it. The script that completes it also
  claims the next ones and takes their messages from the queue.
- `large` (tasks.worker.large_batch): claim a segment, compute it, and hand it to another thread that stores and
  completes it. Meanwhile claim and compute the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import shared_task

from tasks.storage.messages import SEGMENT_TASK, SMALL_QUEUE
from tasks.worker import termination
from tasks.worker.large_batch import LargeBatch
from tasks.worker.small_batch import SmallBatch

if TYPE_CHECKING:
    from celery import Task

    from tasks.worker.batch import Batch


@shared_task(name=SEGMENT_TASK, bind=True)
def generate_segment(self: Task[..., None], job_id: str, index: int) -> None:
    """Compute one segment, then the next ones. Safe to run twice: a stale claim or a late write is refused."""
    queue = (self.request.delivery_info or {}).get("routing_key")
    with termination.postponed():
        new_batch(queue, self.request.hostname or "").run(job_id, index, self.request.get("traceparent"))


def new_batch(queue: str | None, worker: str) -> Batch:
    """The batch of a task from a queue."""
    return SmallBatch(worker) if queue == SMALL_QUEUE else LargeBatch(worker)
