"""A worker that could never work does not start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import ANY

import pytest
from celery import signals
from celery.app.amqp import Queues
from celery.concurrency import get_implementation
from celery.utils.dispatch import Signal
from kombu import Queue

from tasks.storage.messages import QUEUES
from tasks.worker import startup
from tasks.worker.startup import check_pool, check_queues

if TYPE_CHECKING:
    from tasks.settings import JobSettings


@pytest.mark.parametrize("pool", ["solo", "gevent"])
def test_pool_whose_tasks_block_the_heartbeat_is_refused(pool: str) -> None:
    for chosen in (pool, get_implementation(pool)):
        with pytest.raises(SystemExit, match=f"^error: --pool is {pool}: must be prefork or threads$"):
            check_pool(chosen)


@pytest.mark.parametrize("pool", ["prefork", "processes", "threads"])
def test_pool_with_processes_or_threads_is_accepted(pool: str) -> None:
    check_pool(pool)
    check_pool(get_implementation(pool))


@pytest.mark.parametrize("queues", [["celery"], ["small", "celery"], []])
def test_queue_without_messages_is_refused(queues: list[str]) -> None:
    with pytest.raises(SystemExit, match=f"^error: --queues is {','.join(queues)}: must be small, large, or some"):
        check_queues(queues)


@pytest.mark.parametrize("queues", [["small"], ["large"], ["large", "small"]])
def test_worker_can_serve_some_of_the_queues(queues: list[str]) -> None:
    check_queues(queues)


class Worker:
    """What Celery sends with its signal."""

    def __init__(self, pool: str, *queues: str) -> None:
        self.pool_cls = pool
        self.app = SimpleNamespace(amqp=SimpleNamespace(queues=Queues([Queue(name) for name in queues])))


def test_each_worker_is_checked(monkeypatch: pytest.MonkeyPatch, settings: JobSettings) -> None:
    monkeypatch.setattr(signals, "worker_init", Signal())
    startup.connect(settings)
    worker = Worker("solo", *QUEUES)
    with pytest.raises(SystemExit, match="--pool is solo"):
        signals.worker_init.send(sender=worker)
    with pytest.raises(SystemExit, match="--queues is celery"):
        signals.worker_init.send(sender=Worker("prefork", "celery"))
    assert signals.worker_init.send(sender=Worker("prefork", *QUEUES)) == [(ANY, None)]
