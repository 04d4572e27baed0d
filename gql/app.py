"""The composition of the API process: job system, middleware and routes. Served by `python -m gql`."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.middleware import Middleware

from gql import explorer
from gql.auth.api_keys import KeyStore
from gql.auth.authenticator import Authenticator
from gql.auth.tokens import TokenVerifier
from gql.graphql import router
from gql.graphql.fast_path import GraphQLFastPath
from gql.graphql.persisted_documents import PersistedDocuments
from gql.graphql.request_reader import RequestReader
from gql.http import problem_details
from gql.middleware.authentication import AuthenticationMiddleware
from gql.middleware.body_limit import BodyLimitMiddleware
from gql.middleware.cross_origin import cross_origin
from gql.middleware.head import HeadMiddleware
from gql.middleware.loopback_only import LoopbackOnlyMiddleware
from gql.middleware.same_origin import SameOriginMiddleware
from gql.middleware.security_headers import SecurityHeadersMiddleware
from gql.middleware.server_errors import ServerErrorMiddleware
from gql.middleware.trusted_host import TrustedHostMiddleware
from gql.pages import api_docs, front_page, links
from gql.rest import downloads, health, jobs, openapi
from gql.server import shutdown, slow_requests
from gql.server.settings import Address
from gql.server.slow_requests import PendingRequests
from gql.settings import ApiSettings
from gql.telemetry import FASTAPI_OFF, ApiTelemetry
from observability import logs
from schema.schema import build_schema
from tasks.service import JobSystem
from tasks.settings import JobSettings
from tasks.settings.errors import InvalidSettingError, read, read_or_exit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


VERSION = "0.1.0"


class Resource(Protocol):
    """What runs while the application does."""

    def start(self) -> None:
        """Start background loops."""

    async def stop(self) -> None:
        """Stop background loops and close connections."""


def create_app(settings: ApiSettings, job_settings: JobSettings, host: str = "localhost") -> FastAPI:
    """The application with the given settings, listening on the host."""
    system = JobSystem.connect(job_settings)
    telemetry = ApiTelemetry(job_settings)
    authenticator = _connect_authenticator(settings, job_settings)
    resources: list[Resource] = [system] if authenticator is None else [system, authenticator]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, object]]:
        async with AsyncExitStack() as running:
            running.push_async_callback(telemetry.stop)
            for resource in resources:
                resource.start()
                running.push_async_callback(resource.stop)
            yield {
                slow_requests.STATE: PendingRequests.from_settings(settings),
                shutdown.STATE: partial(system.complete_streams, settings.drain_seconds),
            }

    schema = build_schema(settings, production=settings.production)
    documents = PersistedDocuments.load(settings.trusted_documents, only=settings.trusted_documents_only)
    reader = RequestReader(schema, documents)
    new_context = router.contexts(system, settings, authenticator)

    app = FastAPI(
        title="Async Prime Generator",
        version=VERSION,
        description=openapi.DESCRIPTION,
        lifespan=lifespan,
        # Outermost first.
        middleware=[
            Middleware(HeadMiddleware),
            Middleware(SecurityHeadersMiddleware),
            *cross_origin(settings.origins),
            Middleware(ServerErrorMiddleware),
            *([] if settings.authentication else [Middleware(LoopbackOnlyMiddleware)]),
            Middleware(
                TrustedHostMiddleware,
                allowed_hosts={*settings.hosts, host},
                # Health checks and containers use addresses. Without the setting, the API is open to this machine only.
                any_address=settings.authentication != "",
            ),
            Middleware(SameOriginMiddleware, allowed_origins=settings.origins),
            *([] if authenticator is None else [Middleware(AuthenticationMiddleware, authenticator=authenticator)]),
            Middleware(BodyLimitMiddleware, max_body_bytes=settings.max_body_bytes),
            Middleware(GraphQLFastPath, schema=schema, settings=settings, reader=reader, new_context=new_context),
        ],
        docs_url=None,
        redoc_url=None,
        telemetry=FASTAPI_OFF,
    )
    telemetry.instrument(app)
    app.include_router(
        router.create_router(schema, settings, reader, new_context, authenticator),
        prefix="/graphql",
        include_in_schema=False,
    )
    # Documents the credentials in OpenAPI. AuthenticationMiddleware is what checks them.
    bearer = Depends(HTTPBearer(auto_error=False, description="API key or token"))
    security = [bearer] if settings.credential_kinds else []
    app.include_router(jobs.create_router(system, settings), dependencies=security)
    app.include_router(downloads.create_router(system), dependencies=security)
    app.include_router(health.create_router(system))
    front_page.add_routes(app, settings)
    links.add_routes(app, settings)
    api_docs.add_routes(app)
    explorer.add_routes(app)
    problem_details.add_exception_handlers(app)
    return app


def _connect_authenticator(settings: ApiSettings, job_settings: JobSettings) -> Authenticator | None:
    """The authenticator for the configured credentials; None when authentication is disabled."""
    kinds = settings.credential_kinds
    if not kinds:
        return None
    keys = KeyStore.connect(job_settings) if "keys" in kinds else None
    tokens = TokenVerifier(settings.tokens) if "jwt" in kinds else None
    return Authenticator(keys, tokens, settings.max_subscriptions_per_caller, settings.caller_limits)


logs.configure(read_or_exit(logs.LogSettings))
try:
    app = create_app(read(ApiSettings), read(JobSettings), read(Address).host)
except InvalidSettingError as invalid:
    sys.exit(f"error: {invalid}")
