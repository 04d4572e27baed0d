"""What a worker checks when it starts, before it takes any message."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from celery import signals
from celery.concurrency import get_implementation

from tasks import store_check
from tasks.storage.messages import QUEUES

if TYPE_CHECKING:
    from collections.abc import Collection

    from celery.concurrency.base import BasePool

    from tasks.settings import JobSettings

# In the others, a computation blocks the heartbeat, and the extension of the computation's lease.
_POOLS: Final = ("prefork", "threads")


def connect(settings: JobSettings) -> None:
    """Check each worker of this process. One that could never work exits with one line."""

    def check(sender: Any, **_: Any) -> None:  # noqa: ANN401 - a worker, and arguments of the signal
        check_pool(sender.pool_cls)
        check_queues(sender.app.amqp.queues.consume_from)
        store_check.check_or_exit(settings)

    signals.worker_init.connect(check, weak=False)


def check_pool(chosen: str | type[BasePool]) -> None:
    """Exit with one line unless tasks can run in this pool."""
    pool = get_implementation(chosen)
    if pool not in map(get_implementation, _POOLS):
        sys.exit(f"error: --pool is {pool.__module__.rpartition('.')[2]}: must be {' or '.join(_POOLS)}")


def check_queues(chosen: Collection[str]) -> None:
    """Exit with one line unless these queues have messages."""
    if not chosen or not set(QUEUES).issuperset(chosen):
        sys.exit(f"error: --queues is {','.join(chosen)}: must be {', '.join(QUEUES)}, or some of them")
