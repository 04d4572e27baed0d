"""The GraphQL endpoint: queries and mutations by POST, subscriptions by WebSocket, Server-Sent Events and multipart.

GET shows the explorer to browsers; operations by GET are off.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse
from strawberry.fastapi import GraphQLRouter
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)

from gql import explorer
from schema.context import Bounds, Context

if TYPE_CHECKING:
    from starlette.requests import Request

    from gql.settings import ApiSettings
    from schema import JobSchema
    from tasks.service import JobService

_CONNECTION_INIT_TIMEOUT = timedelta(seconds=10)


class JobRouter(GraphQLRouter[Context, None]):
    """Strawberry's router with the project's explorer."""

    async def render_graphql_ide(self, request: Request) -> HTMLResponse:
        """The explorer, or what to do where it was not built."""
        url = str(request.url.replace(query=""))
        return HTMLResponse(explorer.page() or explorer.fallback(url))


def router(schema: JobSchema, service: JobService, settings: ApiSettings) -> JobRouter:
    """The endpoint with its context."""
    bounds = Bounds(max_page_size=settings.max_page_size, max_wait_ms=settings.max_wait_ms)
    return JobRouter(
        schema,
        allow_queries_via_get=False,
        context_getter=lambda: Context(service, bounds),
        subscription_protocols=(
            GRAPHQL_TRANSPORT_WS_PROTOCOL,
            GRAPHQL_SSE_PROTOCOL,
            MULTIPART_SUBSCRIPTION_PROTOCOL,
        ),
        connection_init_wait_timeout=_CONNECTION_INIT_TIMEOUT,
    )
