"""The API process: opens connections, builds the service and mounts its doors. Started by `uvicorn gql.app:app`."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from gql import explorer
from gql.auth.authenticator import authenticator
from gql.graphql import router
from gql.http import problem_details
from gql.middleware.authentication import AuthenticationMiddleware
from gql.middleware.body_limit import BodyLimitMiddleware
from gql.middleware.integer_status import IntegerStatusMiddleware
from gql.middleware.loopback_only import LoopbackOnlyMiddleware
from gql.middleware.same_origin import SameOriginMiddleware
from gql.middleware.security_headers import SecurityHeadersMiddleware
from gql.middleware.server_errors import ServerErrorMiddleware
from gql.pages import api_docs, front_page
from gql.rest import downloads, health, jobs
from gql.server import binding, slow_requests
from gql.server.shutdown import ending_streams_first
from gql.server.slow_requests import PendingRequests
from gql.settings import ApiSettings
from gql.telemetry import REQUESTS, ApiTelemetry
from observability import logs
from schema.schema import build_schema
from tasks.service import JobService
from tasks.settings import JobSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

VERSION = "0.1.0"


def create_app(settings: ApiSettings, job_settings: JobSettings) -> FastAPI:
    """The application, whole, with its settings handed down."""
    service = JobService.connect(job_settings)
    telemetry = ApiTelemetry(job_settings)
    keeper = authenticator(settings, job_settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, object]]:
        service.start()
        if keeper is not None:
            keeper.start()
        with ending_streams_first(service, settings.drain_seconds):
            yield {slow_requests.STATE: PendingRequests.of(settings)}
        if keeper is not None:
            await keeper.stop()
        await service.stop()
        await telemetry.stop()

    app = FastAPI(
        title="Async Prime Generator",
        version=VERSION,
        description=jobs.DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=REQUESTS,
    )
    app.add_middleware(BodyLimitMiddleware, max_body_bytes=settings.max_body_bytes)
    if keeper is not None:
        app.add_middleware(AuthenticationMiddleware, authenticator=keeper)
    elif not settings.authentication:
        app.add_middleware(LoopbackOnlyMiddleware)
    app.add_middleware(ServerErrorMiddleware)
    app.add_middleware(SameOriginMiddleware, allowed_origins=settings.origins)
    app.add_middleware(SecurityHeadersMiddleware)
    schema = build_schema(settings.operation_limits, production=settings.production)
    app.include_router(
        router.create_router(schema, service, settings, keeper), prefix="/graphql", include_in_schema=False
    )
    # Looks at nothing: it tells the manual of the doors that there is a key to be shown.
    told = [] if keeper is None else [Depends(HTTPBearer(auto_error=False, description="A key or a token"))]
    app.include_router(jobs.create_router(service, settings), dependencies=told)
    app.include_router(downloads.create_router(service), dependencies=told)
    app.include_router(health.create_router(service))
    front_page.add_routes(app, settings)
    api_docs.add_routes(app)
    explorer.add_routes(app)
    problem_details.add_exception_handlers(app)
    # The last one to be added is the outermost.
    app.add_middleware(IntegerStatusMiddleware)
    return app


logs.configure(logs.LogSettings())
_settings = ApiSettings()
if not _settings.authentication:
    binding.check_start(sys.argv)
app = create_app(_settings, JobSettings())
