"""Routes whose parameters FastAPI documents and does not read."""

from __future__ import annotations

from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response

from gql.rest.direct_route import DirectRoute


async def test_dependencies_of_a_direct_route_are_documentation_only() -> None:
    router = APIRouter(route_class=DirectRoute)
    called: list[object] = []

    def parameters(item: int, x_number: Annotated[int, Header(description="a number")]) -> None:
        called.append((item, x_number))

    # FAST003: a DirectRoute passes the request alone.
    @router.get("/items/{item}", dependencies=[Depends(parameters)])  # noqa: FAST003
    async def read(request: Request) -> Response:
        return Response(request.path_params["item"])

    app = FastAPI()
    app.include_router(router, dependencies=[Depends(lambda: called.append("outer"))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.get("/items/no-number")
    assert (response.status_code, response.text) == (200, "no-number")
    assert called == []
    documented = app.openapi()["paths"]["/items/{item}"]["get"]["parameters"]
    assert [parameter["name"] for parameter in documented] == ["item", "x-number"]
