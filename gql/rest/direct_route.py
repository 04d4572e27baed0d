"""A route without FastAPI's dependencies, for endpoints that are called more often than any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request, Response


class DirectRoute(APIRoute):
    """Calls the endpoint with the request alone, which the endpoint reads itself.

    FastAPI would read and check the parameters first, which takes longer than some of the endpoints. The dependencies
    of the route document the parameters. They are never called.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        return self.endpoint
