"""Health: is this process alive, and is the system behind it ready?"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from tasks.service import JobService, ServerInfo

# As long as the job store is given.
_RESULTS_SECONDS = 2

# The alert about waiting work has the same.
_LONG_DUE = timedelta(minutes=1)

_NOT_TOLD = {"ok": True, "warning": "the job store's user may not ask for INFO"}


def create_router(service: JobService) -> APIRouter:
    """The two probes."""
    probes = APIRouter(tags=["health"])

    @probes.get("/livez", summary="Whether this process answers; asks nobody else")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @probes.get(
        "/readyz", summary="Whether requests can be served, and why not", responses={503: {"description": "Not ready"}}
    )
    async def readyz() -> JSONResponse:
        checks = await _checks(service)
        # The other checks are for operators. Without workers requests are still taken and queued, without a result
        # store small ones are finished: no reason to send them elsewhere.
        ready = all(checks[name]["ok"] for name in ("broker", "persistence"))
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": "ready" if ready else "unready", "checks": checks}, status)

    # As monitors ask. The manual tells of GET alone: it would list HEAD as an operation of its own.
    probes.add_api_route("/livez", livez, methods=["HEAD"], include_in_schema=False)
    probes.add_api_route("/readyz", readyz, methods=["HEAD"], include_in_schema=False)
    return probes


async def _checks(service: JobService) -> dict[str, dict[str, Any]]:
    jobs, results = await asyncio.gather(_job_checks(service), _result_check(service))
    return {**jobs, "results": results}


async def _result_check(service: JobService) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_RESULTS_SECONDS):
            await service.check_result_store()
    except (BackendUnavailable, TimeoutError) as error:
        return _not_ok(str(error) or "the result store does not answer")
    return {"ok": True}


async def _job_checks(service: JobService) -> dict[str, dict[str, Any]]:
    state, condition = await asyncio.gather(
        service.get_system_state(), service.get_server_info(), return_exceptions=True
    )
    unknown = _not_ok("unknown while the job store does not answer")
    checks = {"broker": {"ok": True}, **dict.fromkeys(("persistence", "memory", "queue", "workers"), unknown)}
    match state:
        case BackendUnavailable():
            # One that tells how it is, and does nothing else, can't write: it is full, or a replica.
            answers = not isinstance(condition, BaseException)
            checks["broker"] = _not_ok("the job store can't be written to" if answers else str(state))
        case BaseException():
            raise state
        case _:
            checks |= {"queue": _queue(state.oldest_due), "workers": _workers(len(state.workers))}
    match condition:
        case BackendUnavailable():
            pass
        case BaseException():
            raise condition
        case _:
            checks |= {"persistence": _persistence(condition), "memory": _memory(condition)}
    return checks


def _persistence(store: ServerInfo | None) -> dict[str, Any]:
    if store is None:
        return dict(_NOT_TOLD)
    if not store.aof_write_ok:
        return _not_ok("the job store can't write its append-only file: is its disk full?")
    if not store.aof_enabled:
        return {"ok": True, "warning": "the job store has no append-only file: a restart of it loses all jobs"}
    return {"ok": True}


def _memory(store: ServerInfo | None) -> dict[str, Any]:
    if store is None:
        return dict(_NOT_TOLD)
    figures = {"usedBytes": store.used_bytes, "maxBytes": store.max_bytes}
    if store.is_nearly_full:
        return _not_ok("the job store is nearly full: beyond its maxmemory submissions are refused", **figures)
    if store.eviction_enabled:
        return _not_ok("the job store's maxmemory-policy throws queued jobs away: set noeviction", **figures)
    return {"ok": True, **figures}


def _queue(oldest_due: timedelta | None) -> dict[str, Any]:
    if oldest_due is None:
        return {"ok": True, "oldestDueSeconds": None}
    seconds = round(oldest_due.total_seconds(), 3)
    if oldest_due > _LONG_DUE:
        reason = "work has waited long for a worker: add workers, or see why they take none"
        return _not_ok(reason, oldestDueSeconds=seconds)
    return {"ok": True, "oldestDueSeconds": seconds}


def _workers(count: int) -> dict[str, Any]:
    if not count:
        return _not_ok("no worker was seen lately: start one with `celery -A tasks worker`", count=count)
    return {"ok": True, "count": count}


def _not_ok(reason: str, **figures: object) -> dict[str, Any]:
    return {"ok": False, "reason": reason, **figures}
