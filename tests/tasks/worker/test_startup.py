"""A worker that could never work does not start."""

from __future__ import annotations

import pytest
from celery import signals
from celery.concurrency import get_implementation

from tasks.worker.startup import check_pool


@pytest.mark.parametrize("pool", ["solo", "gevent"])
def test_pool_whose_tasks_block_the_heartbeat_is_refused(pool: str) -> None:
    for chosen in (pool, get_implementation(pool)):
        with pytest.raises(SystemExit, match=f"^error: --pool is {pool}: must be prefork or threads$"):
            check_pool(chosen)


@pytest.mark.parametrize("pool", ["prefork", "processes", "threads"])
def test_pool_with_processes_or_threads_is_accepted(pool: str) -> None:
    check_pool(pool)
    check_pool(get_implementation(pool))


def test_each_worker_is_checked() -> None:
    from tasks.celery import app  # noqa: PLC0415 - reads the environment

    assert app.main == "tasks"
    worker = type("Worker", (), {"pool_cls": "solo", "hostname": "x"})
    with pytest.raises(SystemExit, match="--pool is solo"):
        signals.worker_init.send(sender=worker)
