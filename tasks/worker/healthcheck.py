"""Container health check: `python -m tasks.worker.healthcheck` exits with 0 if a worker on this host has a heartbeat.

Reads heartbeats from the job store instead of the process table: a worker whose loop hangs, or that has lost its
broker, still has a process. Docker alone shows an unhealthy container and never restarts it. A worker whose loop hangs
exits by itself (tasks.worker.watchdog), so that its restart policy applies.
"""

from __future__ import annotations

import socket
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import redis

from tasks.settings import JobSettings
from tasks.settings.errors import read_or_exit
from tasks.storage import keys, records
from tasks.storage.redis import sync_client

if TYPE_CHECKING:
    from tasks.jobs import Worker

_TIMEOUT_SECONDS = 2


def main() -> int:
    """Exit code: 0 if a worker on this host has a recent heartbeat, otherwise 1 with a line on stderr."""
    host = socket.gethostname()
    try:
        workers = recent_workers(read_or_exit(JobSettings))
    except redis.ResponseError as error:
        # Such as NOPERM, NOAUTH or LOADING: it answers.
        sys.stderr.write(f"Job store refused the request: {error}\n")
        return 1
    except redis.RedisError as error:
        sys.stderr.write(f"Job store unavailable: {error}\n")
        return 1
    if any(worker.name.endswith(f"@{host}") for worker in workers):
        return 0
    seconds = records.WORKER_TTL // timedelta(seconds=1)
    sys.stderr.write(f"No heartbeat from a worker on {host} within {seconds} s\n")
    return 1


def recent_workers(settings: JobSettings) -> tuple[Worker, ...]:
    """Workers with a heartbeat within WORKER_TTL, by the store's clock.

    Raises:
        redis.RedisError: the store is unavailable. There are no retries.
    """
    with sync_client(settings, _TIMEOUT_SECONDS, _TIMEOUT_SECONDS) as client:
        seconds, microseconds = client.time()
        since_ms = seconds * 1000 + microseconds // 1000 - records.WORKER_TTL // timedelta(milliseconds=1)
        heartbeats = client.zrangebyscore(keys.workers_key(settings.key_prefix), since_ms, "+inf", withscores=True)
        return records.parse_workers([part for pair in heartbeats for part in pair])


if __name__ == "__main__":
    sys.exit(main())
