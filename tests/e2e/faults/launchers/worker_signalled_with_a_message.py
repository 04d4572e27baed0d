"""Runs Celery with a worker whose main process receives SIGTERM at the MOMENT at which a message to a task is underway.

`half written`: it has written half of the message. `not confirmed`: the other process has read the message, and
confirms it only after it has received everything that the main process sends in its shutdown.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

from billiard import connection, pool

MOMENTS = ("half written", "not confirmed")

# Not in the stubs.
_connection: Any = connection
_worker: Any = pool.Worker

_send = _connection.send_offset
_prepare = _worker._make_child_methods  # noqa: SLF001 - patched from outside
_sent = False


def _send_and_signal(descriptor: int, part: Any, offset: int) -> Any:
    global _sent  # noqa: PLW0603 - one worker a process
    size = _send(descriptor, part, offset)
    if not _sent:
        _sent = True
        os.kill(os.getpid(), signal.SIGTERM)
    return size


def _prepare_late(self: Any) -> None:
    _prepare(self)
    self.wait_for_job = partial(_receive_late, self, self.wait_for_job)


def _receive_late(self: Any, receive: Any) -> Any:
    message = receive()
    if message:
        os.kill(os.getppid(), signal.SIGTERM)
        # The end of the pool's tasks.
        self.inq._reader.poll(20)  # noqa: SLF001 - as above
    return message


if __name__ == "__main__":
    from celery.__main__ import main

    if os.environ["MOMENT"] == MOMENTS[0]:
        _connection.send_offset = _send_and_signal
    else:
        _worker._make_child_methods = _prepare_late  # noqa: SLF001 - as above
    main()
