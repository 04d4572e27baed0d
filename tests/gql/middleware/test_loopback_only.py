"""Loopback-only middleware: requests on addresses that other machines can reach are refused."""

from __future__ import annotations

from typing import Any

import pytest

from gql.middleware.loopback_only import LoopbackOnlyMiddleware


@pytest.mark.parametrize(
    ("server", "status"),
    [(("127.0.0.1", 80), 200), (("::1", 80), 200), (("10.0.0.1", 80), 403), (("::ffff:10.0.0.1", 80), 403),
     (("/a/socket", None), 200), (None, 200), (("testserver", 80), 200)],
)  # fmt: skip
async def test_requests_on_other_addresses_are_refused(server: tuple[str, int] | None, status: int) -> None:
    """The address of a server that was not started as `python -m gql` is known from its requests only."""
    sent = []

    async def app(_: object, __: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200})  # type: ignore[operator]

    async def send(message: object) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "server": server, "method": "GET", "path": "/", "headers": []}
    await LoopbackOnlyMiddleware(app)(scope, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == status  # type: ignore[index]
