"""When does the system count as answering? Asked from outside, as its users would."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from typing import Any, Final
from urllib.parse import urlsplit

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gql.local.errors import CannotRun

_BROKER_SECONDS: Final = 20.0
# Two Python programs with everything they import, on a slow machine that does other things too.
_SYSTEM_SECONDS: Final = 90.0
_LOOK_EVERY_SECONDS: Final = 0.05
_ANSWER_SECONDS: Final = 2.0

_WHO_WORKS: Final = json.dumps({"query": "{ system { workers { name } } }"})


async def broker(host: str, port: int) -> None:
    """Return when the server answers PING. One that says it loads its data is waited for as long as it takes.

    Raises:
        CannotRun: it is silent for too long.
    """
    deadline = time.monotonic() + _BROKER_SECONDS
    retry = Retry(NoBackoff(), retries=0)
    async with redis.asyncio.Redis(host=host, port=port, socket_timeout=_ANSWER_SECONDS, retry=retry) as client:
        while True:
            try:
                await client.ping()
            except redis.BusyLoadingError:
                deadline = time.monotonic() + _BROKER_SECONDS
            except redis.RedisError as error:
                if time.monotonic() > deadline:
                    raise CannotRun(
                        f"the embedded server gave no answer within {_BROKER_SECONDS:g} s: see its lines above"
                    ) from error
            else:
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def system(url: str, worker_name: str, seconds: float = _SYSTEM_SECONDS) -> None:
    """Return when the API answers, says that its broker does, and has seen this very worker.

    Raises:
        CannotRun: one of them is missing for too long; the message says which.
    """
    deadline = time.monotonic() + seconds
    while (missing := await asyncio.to_thread(_missing, url, worker_name)) is not None:
        if time.monotonic() > deadline:
            raise CannotRun(f"not ready within {seconds:g} s: {missing}; see the lines above")
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


def _missing(url: str, worker_name: str) -> str | None:
    """What does not answer yet, or None."""
    try:
        checks = _ask(url, "GET", "/readyz")["checks"]
        for name, check in checks.items():
            if not check["ok"]:
                return f"{name}: {check.get('reason', 'not ok')}"
        # An earlier run's worker is remembered for some seconds: only a name tells whether it is ours.
        answer = _ask(url, "POST", "/graphql", _WHO_WORKS)
        # Where callers are asked for keys, or for documents that are known, a worker was seen, and no names are told.
        if "data" not in answer:
            return None
        workers = answer["data"]["system"]["workers"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return f"the API gives no answer at {url}"
    if worker_name not in {worker["name"] for worker in workers}:
        return "the worker has not been seen"
    return None


def _ask(url: str, method: str, path: str, body: str | None = None) -> Any:  # noqa: ANN401 - JSON
    address = urlsplit(url)
    # Not urllib.request, which would ask a proxy for what is on this machine.
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", "Accept": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
