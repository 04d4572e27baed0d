"""Container health check: `python -m tasks.worker.healthcheck` exits with 0 if a worker of this machine consumes.

Asks the job store for what workers say of themselves rather than the process table: a worker whose loop hangs, or that
has lost its broker, is still a process. Restarting one that is not well is the container engine's work.
"""

from __future__ import annotations

import socket
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.settings import JobSettings
from tasks.storage import records

if TYPE_CHECKING:
    from tasks.jobs import Worker

_ANSWER_SECONDS = 2


def main() -> int:
    """0 when a worker of this machine was seen lately; otherwise 1 and a line that says what is wrong."""
    host = socket.gethostname()
    try:
        workers = workers_seen(JobSettings())
    except redis.RedisError as error:
        sys.stderr.write(f"the job store does not answer: {error}\n")
        return 1
    if any(worker.name.endswith(f"@{host}") for worker in workers):
        return 0
    seconds = records.WORKER_TTL // timedelta(seconds=1)
    sys.stderr.write(f"no worker of {host} was seen within {seconds} s\n")
    return 1


def workers_seen(settings: JobSettings) -> tuple[Worker, ...]:
    """Who was consuming within the last 15 seconds, by the store's clock.

    Raises:
        redis.RedisError: the store does not answer; nothing is tried twice.
    """
    with redis.Redis.from_url(
        settings.broker_url,
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), retries=0),
    ) as client:
        seconds, microseconds = client.time()
        since_ms = seconds * 1000 + microseconds // 1000 - records.WORKER_TTL // timedelta(milliseconds=1)
        seen = client.zrangebyscore(f"{settings.key_prefix}workers", since_ms, "+inf", withscores=True)
        return records.parse_workers([part for pair in seen for part in pair])


if __name__ == "__main__":
    sys.exit(main())
