"""Heartbeats let everything expire that Celery's own tools leave in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from celery import Celery

from tests.conftest import PERMANENT_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from tasks.worker.job_recorder import JobRecorder
    from tests.programs import Valkey
    from tests.tasks.keys import Keys

DEADLINES = "_kombu.binding_deadlines"


@pytest.fixture
def app(valkey: Valkey, prefix: str) -> Iterator[Celery]:
    """Like that of tasks.celery, for tools."""
    with Celery("tools", broker=valkey.url, set_as_current=False) as app:
        app.conf.update(broker_transport_options={"global_keyprefix": prefix, "priority_steps": [0]})
        yield app


def inspect(app: Celery) -> None:
    """As `celery inspect ping|active|stats` and `celery status`."""
    app.control.inspect(timeout=0.05).ping()


def control(app: Celery) -> None:
    """As `celery control ...`."""
    app.control.broadcast("enable_events", reply=True, timeout=0.05)


def watch_events(app: Celery) -> None:
    """As `celery events` and Flower, which were killed, while workers still send events."""
    connection = app.connection()
    channel: Any = connection.default_channel
    queue = app.events.Receiver(connection).queue(channel)
    queue.declare()
    channel.client.lpush(queue.name, "an event")
    # A tool that ends by itself deletes its queue.
    channel.auto_delete_queues.clear()
    connection.close()


TOOLS: list[Callable[[Celery], None]] = [inspect, control, watch_events]


@pytest.mark.parametrize("tool", TOOLS)
def test_keys_of_a_tool_expire_at_its_deadline(
    tool: Callable[[Celery], None], app: Celery, recorder: JobRecorder, keys: Keys, redis_client: redis.Redis
) -> None:
    tool(app)
    left = names(redis_client, keys.prefix)
    assert DEADLINES in left
    assert len(left) == (3 if tool is watch_events else 1)
    recorder.heartbeat("celery@here", 1)
    assert {name for name in left if keys.ttl_ms(name) == -1} <= PERMANENT_KEYS
    [deadline] = deadlines(redis_client, keys.prefix).values()
    assert keys.ttl_ms(DEADLINES) == pytest.approx(deadline - keys.now_ms(), abs=500)


def test_tool_that_still_runs_keeps_its_queue(
    app: Celery, recorder: JobRecorder, keys: Keys, redis_client: redis.Redis
) -> None:
    """It renews its deadline, and with the next heartbeat its keys last until then."""
    watch_events(app)
    recorder.heartbeat("celery@here", 1)
    [(exchange, deadline)] = deadlines(redis_client, keys.prefix).items()
    redis_client.zadd(f"{keys.prefix}{DEADLINES}", {exchange: deadline + 3_600_000})
    recorder.heartbeat("celery@here", 1)
    assert keys.ttl_ms(f"_kombu.binding.{exchange}") > 3_600_000


def test_queues_of_workers_never_expire(
    app: Celery, recorder: JobRecorder, keys: Keys, redis_client: redis.Redis
) -> None:
    for name in ("_kombu.binding.large", "_kombu.binding_permanent.large"):
        redis_client.sadd(f"{keys.prefix}{name}", "large\x06\x16\x06\x16large")
    inspect(app)
    recorder.heartbeat("celery@here", 1)
    assert keys.ttl_ms("_kombu.binding.large") == -1


def names(client: redis.Redis, prefix: str) -> set[str]:
    return {key.decode().removeprefix(prefix) for key in client.scan_iter(f"{prefix}*")}


def deadlines(client: redis.Redis, prefix: str) -> dict[str, float]:
    found = cast("list[tuple[bytes, float]]", client.zrange(f"{prefix}{DEADLINES}", 0, -1, withscores=True))
    return {exchange.decode(): deadline for exchange, deadline in found}
