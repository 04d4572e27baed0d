"""What the machine and the libraries below can do: a bare ASGI application, and one Starlette POST endpoint.

python -m uvicorn --no-access-log --lifespan off tests.bench.performance.floors:bare_asgi
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send


async def bare_asgi(scope: Scope, _: Receive, send: Send) -> None:
    """Responds to every request, with as many bytes as `/bytes/N` names."""
    body = _body(scope["path"])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@cache
def _body(path: str) -> bytes:
    size = path.removeprefix("/bytes/")
    return b"x" * int(size) if size.isdecimal() else b'{"data": {"id": "01a20bc2-c1bc-7ff3-aee8-d6aeb41b6af8"}}'


async def _submit(request: Request) -> JSONResponse:
    body = await request.json()
    return JSONResponse({"data": {"id": "01a20bc2-c1bc-7ff3-aee8-d6aeb41b6af8", "query": len(body["query"])}})


starlette_post = Starlette(routes=[Route("/graphql", _submit, methods=["POST"])])
