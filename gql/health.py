"""Health: is this process alive, and is the system behind it ready?"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from tasks.errors import BackendUnavailable

# As long as the job store is given.
_RESULTS_SECONDS = 2

if TYPE_CHECKING:
    from tasks.service import JobService


def router(service: JobService) -> APIRouter:
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
        # Without workers requests are still taken and queued, and without a result store small ones are finished: said
        # here, but no reason to send them elsewhere.
        ready = checks["broker"]["ok"]
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": "ready" if ready else "unready", "checks": checks}, status)

    return probes


async def _checks(service: JobService) -> dict[str, dict[str, Any]]:
    jobs, results = await asyncio.gather(_job_checks(service), _result_check(service))
    return {**jobs, "results": results}


async def _result_check(service: JobService) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_RESULTS_SECONDS):
            await service.check_files()
    except (BackendUnavailable, TimeoutError) as error:
        return {"ok": False, "reason": str(error) or "the result store does not answer"}
    return {"ok": True}


async def _job_checks(service: JobService) -> dict[str, dict[str, Any]]:
    try:
        state = await service.system()
    except BackendUnavailable as error:
        unknown = {"ok": False, "reason": "unknown while the job store does not answer"}
        return {"broker": {"ok": False, "reason": str(error)}, "workers": unknown}
    workers: dict[str, Any] = {"ok": bool(state.workers), "count": len(state.workers)}
    if not state.workers:
        workers["reason"] = "no worker was seen lately: start one with `celery -A tasks worker`"
    return {"broker": {"ok": True}, "workers": workers}
