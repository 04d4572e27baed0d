"""Same-origin middleware: pages of other origins can't send requests with side effects, unless they are allowed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
import websockets
from pydantic import ValidationError

from gql.settings import ApiSettings
from tests import in_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import System
    from tests.programs import Valkey

BODY = {"query": "{ __typename }"}
PROTOCOLS = [websockets.Subprotocol("graphql-transport-ws")]
ALLOWED = "https://allowed.example"


@pytest.fixture(scope="module")
def api_with_allowed_origins(valkey: Valkey) -> Iterator[str]:
    """The address of an API with two allowed origins."""
    origins = f"{ALLOWED}, http://other.example:8080"
    with in_process.api(valkey.url, "allowed-origins:", ALLOWED_ORIGINS=origins) as url:
        yield url


@pytest.mark.parametrize("path", ["/graphql", "/generate?n=1"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "nonsense"])
def test_cross_origin_post_is_refused(system: System, path: str, origin: str) -> None:
    answer = httpx.post(f"{system.url}{path}", json=BODY, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "request_id" not in answer.text


def test_same_origin_pages_and_other_clients_may_post(system: System) -> None:
    for headers in ({"Origin": system.url}, {"Origin": "https://outside.example", "Sec-Fetch-Site": "same-origin"}, {}):
        assert httpx.post(system.graphql, json=BODY, headers=headers).status_code == 200


def test_allowed_origins_may_post(api_with_allowed_origins: str) -> None:
    for origin in (ALLOWED, "http://other.example:8080"):
        assert (
            httpx.post(f"{api_with_allowed_origins}/graphql", json=BODY, headers={"Origin": origin}).status_code == 200
        )
    assert (
        httpx.post(f"{api_with_allowed_origins}/graphql", json=BODY, headers={"Origin": f"{ALLOWED}:1"}).status_code
        == 403
    )


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_cross_origin_websocket_is_refused(system: System, origin: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(system.websocket, subprotocols=PROTOCOLS, origin=websockets.Origin(origin))
    assert refused.value.response.status_code == 403


async def test_same_origin_pages_other_clients_and_allowed_origins_may_open_websockets(
    system: System, api_with_allowed_origins: str
) -> None:
    websocket = f"{api_with_allowed_origins.replace('http', 'ws', 1)}/graphql"
    for url, origin in [
        (system.websocket, system.url),
        (system.websocket, None),
        (websocket, ALLOWED),
        (websocket, None),
    ]:
        header = None if origin is None else websockets.Origin(origin)
        async with websockets.connect(url, subprotocols=PROTOCOLS, origin=header) as socket:
            await socket.send('{"type": "connection_init"}')
            assert json.loads(await socket.recv()) == {"type": "connection_ack"}


@pytest.mark.parametrize("value", ["allowed.example", "https://a.example/path", "https://a.example,nonsense"])
def test_invalid_allowed_origin_is_refused_at_startup(value: str) -> None:
    with pytest.raises(ValidationError, match="Invalid origin"):
        ApiSettings(allowed_origins=value)


def test_several_origins_are_refused(system: System) -> None:
    for other in (system.url, "https://evil.example"):
        headers = [("Origin", system.url), ("Origin", other)]
        assert httpx.post(system.graphql, json=BODY, headers=headers).status_code == 403


@pytest.mark.parametrize("site", ["Same-Origin", "same-origin, cross-site", "same-site", "none", ""])
def test_only_the_value_same_origin_is_one(system: System, site: str) -> None:
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": site}
    assert httpx.post(system.graphql, json=BODY, headers=headers).status_code == 403
