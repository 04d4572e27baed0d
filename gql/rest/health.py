"""Liveness of this process (/livez) and readiness of the system behind it (/readyz)."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from tasks.errors import BackendUnavailable, StorePermissionMissing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tasks.service import JobSystem, ServerInfo

# Longest time that a probe waits for the check of the result store; requests to the job store have the same timeout.
_RESULT_STORE_SECONDS = 2

# Longest time that a due segment may wait for a worker. The alert on queue delay has the same threshold.
_MAX_QUEUE_DELAY = timedelta(minutes=1)

_INFO_NOT_PERMITTED = {"ok": True, "warning": "unknown: the user of the job store has no permission for INFO"}


def create_router(system: JobSystem) -> APIRouter:
    """The routes of both probes."""
    router = APIRouter(tags=["health"])
    result_check = ResultStoreCheck(system.check_result_store)

    @router.get("/livez", summary="Liveness of this process; does not check dependencies")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get(
        "/readyz", summary="Readiness, with the result of each check", responses={503: {"description": "Not ready"}}
    )
    async def readyz() -> JSONResponse:
        checks = await _checks(system, result_check)
        # The other checks are for operators. Without workers, requests are still accepted and queued; without a result
        # store, small jobs still complete. Neither is a reason to send requests elsewhere.
        ready = all(checks[name]["ok"] for name in ("broker", "persistence"))
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": "ready" if ready else "unready", "checks": checks}, status)

    return router


async def _checks(system: JobSystem, result_check: ResultStoreCheck) -> dict[str, dict[str, Any]]:
    jobs, results = await asyncio.gather(_job_checks(system), result_check.outcome())
    return {**jobs, "results": results}


class ResultStoreCheck:
    """Writes to the result store as a worker does: with its retries and timeouts, which are longer than a probe waits.

    All probes share one check. While it runs, the outcome of the one before holds: a job would still be waiting too.
    """

    def __init__(self, write: Callable[[], Awaitable[None]]) -> None:
        self._write = write
        self._running: asyncio.Task[dict[str, Any]] | None = None
        self._started_at = 0.0
        self._last: dict[str, Any] | None = None

    async def outcome(self) -> dict[str, Any]:
        """The outcome of a check that has ended since, or of the last one."""
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="check of the result store")
            self._started_at = time.monotonic()
        running = self._running
        done, _ = await asyncio.wait({running}, timeout=_RESULT_STORE_SECONDS)
        if done:
            return running.result()
        pending = f"the result store has not responded for {time.monotonic() - self._started_at:.1f} s"
        return _not_ok(pending) if self._last is None else self._last | {"warning": pending}

    async def _run(self) -> dict[str, Any]:
        try:
            await self._write()
            outcome: dict[str, Any] = {"ok": True}
        except BackendUnavailable as error:
            outcome = _not_ok(str(error))
        finally:
            self._running = None
        self._last = outcome
        return outcome


async def _job_checks(system: JobSystem) -> dict[str, dict[str, Any]]:
    state, server_info = await asyncio.gather(
        system.get_system_state(), system.get_server_info(), return_exceptions=True
    )
    unknown = _not_ok("unknown: the job store is unavailable")
    checks = {"broker": {"ok": True}, **dict.fromkeys(("persistence", "memory", "queue", "workers"), unknown)}
    match state:
        case StorePermissionMissing():
            checks["broker"] = _not_ok(str(state))
        case BackendUnavailable():
            # A store that replies to INFO but refuses scripts is out of memory or disk space, or a read-only replica.
            is_up = not isinstance(server_info, BaseException)
            checks["broker"] = _not_ok(
                "the job store refuses writes: it is out of memory or disk space, or a replica" if is_up else str(state)
            )
        case BaseException():
            raise state
        case _:
            checks |= {"queue": _queue(state.oldest_due), "workers": _workers(len(state.workers))}
    match server_info:
        case BackendUnavailable():
            pass
        case BaseException():
            raise server_info
        case _:
            checks |= {"persistence": _persistence(server_info), "memory": _memory(server_info)}
    return checks


def _persistence(store: ServerInfo | None) -> dict[str, Any]:
    if store is None:
        return dict(_INFO_NOT_PERMITTED)
    if not store.aof_write_ok:
        return _not_ok("the job store failed to write its append-only file: check that its disk has free space")
    if not store.aof_enabled:
        return {"ok": True, "warning": "the job store has no append-only file: its restart would lose all jobs"}
    return {"ok": True}


def _memory(store: ServerInfo | None) -> dict[str, Any]:
    if store is None:
        return dict(_INFO_NOT_PERMITTED)
    figures = {"usedBytes": store.used_bytes, "maxBytes": store.max_bytes}
    if store.is_nearly_full:
        return _not_ok("the job store is nearly full: submissions are refused above its maxmemory", **figures)
    if store.eviction_enabled:
        return _not_ok("the job store's maxmemory-policy evicts queued jobs: set noeviction", **figures)
    return {"ok": True, **figures}


def _queue(oldest_due: timedelta | None) -> dict[str, Any]:
    if oldest_due is None:
        return {"ok": True, "oldestDueSeconds": None}
    seconds = round(oldest_due.total_seconds(), 3)
    if oldest_due > _MAX_QUEUE_DELAY:
        reason = f"the oldest segment has been due for {seconds} s: add workers, or check why they are idle"
        return _not_ok(reason, oldestDueSeconds=seconds)
    return {"ok": True, "oldestDueSeconds": seconds}


def _workers(count: int) -> dict[str, Any]:
    if not count:
        return _not_ok("no worker is running: start one with `celery -A tasks worker`", count=count)
    return {"ok": True, "count": count}


def _not_ok(reason: str, **figures: object) -> dict[str, Any]:
    return {"ok": False, "reason": reason, **figures}
