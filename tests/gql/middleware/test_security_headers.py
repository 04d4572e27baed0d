"""What browsers are told, and what pages of another origin may not do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
import websockets
from pydantic import ValidationError

from gql.settings import ApiSettings
from tests import programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import System
    from tests.programs import Valkey

FINE = {"query": "{ __typename }"}
PROTOCOLS = [websockets.Subprotocol("graphql-transport-ws")]
ALLOWED = "https://allowed.example"


@pytest.fixture(scope="module")
def allowing(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an API that one other origin may use."""
    folder: Path = tmp_path_factory.mktemp("allowing")
    origins = f"{ALLOWED}, http://other.example:8080"
    with programs.api(folder, valkey.url, "allowing:", ALLOWED_ORIGINS=origins) as (url, _):
        yield url


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/docs"), ("GET", "/docs/assets/swagger-ui.css"), ("GET", "/static/docs.js"),
        ("GET", "/graphql"), ("POST", "/graphql"), ("GET", "/openapi.json"), ("GET", "/livez"), ("GET", "/nothing"),
        ("GET", "/status/x"), ("DELETE", "/graphql"),
    ],
)  # fmt: skip
def test_every_answer_tells_browsers_what_to_keep_to(system: System, method: str, path: str) -> None:
    answer = httpx.request(method, f"{system.url}{path}", headers={"Accept": "text/html, */*"})
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_has_no_code_and_no_style_of_its_own_and_needs_none(system: System, path: str) -> None:
    answer = httpx.get(f"{system.url}{path}")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "http" not in answer.headers["content-security-policy"]
    assert "<style" not in answer.text
    assert "style=" not in answer.text
    assert "<script>" not in answer.text


def test_a_large_body_is_refused_with_the_same_headers(system: System) -> None:
    answer = httpx.post(system.graphql, content=b" " * 300_000)
    assert answer.status_code == 413
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/graphql", "/generate?n=1"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "nonsense"])
def test_a_page_of_another_origin_may_not_post(system: System, path: str, origin: str) -> None:
    answer = httpx.post(f"{system.url}{path}", json=FINE, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "request_id" not in answer.text


def test_its_own_pages_and_other_programs_may_post(system: System) -> None:
    for headers in ({"Origin": system.url}, {"Origin": "https://outside.example", "Sec-Fetch-Site": "same-origin"}, {}):
        assert httpx.post(system.graphql, json=FINE, headers=headers).status_code == 200


def test_an_allowed_origin_may_post(allowing: str) -> None:
    for origin in (ALLOWED, "http://other.example:8080"):
        assert httpx.post(f"{allowing}/graphql", json=FINE, headers={"Origin": origin}).status_code == 200
    assert httpx.post(f"{allowing}/graphql", json=FINE, headers={"Origin": f"{ALLOWED}:1"}).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin_gets_no_websocket(system: System, origin: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(system.websocket, subprotocols=PROTOCOLS, origin=websockets.Origin(origin))
    assert refused.value.response.status_code == 403


async def test_its_own_pages_other_programs_and_allowed_origins_get_one(system: System, allowing: str) -> None:
    theirs = f"{allowing.replace('http', 'ws', 1)}/graphql"
    for url, origin in [(system.websocket, system.url), (system.websocket, None), (theirs, ALLOWED), (theirs, None)]:
        named = None if origin is None else websockets.Origin(origin)
        async with websockets.connect(url, subprotocols=PROTOCOLS, origin=named) as socket:
            await socket.send('{"type": "connection_init"}')
            assert json.loads(await socket.recv()) == {"type": "connection_ack"}


@pytest.mark.parametrize("value", ["allowed.example", "https://a.example/path", "https://a.example,nonsense"])
def test_an_origin_that_is_none_stops_the_start(value: str) -> None:
    with pytest.raises(ValidationError, match="Invalid origin"):
        ApiSettings(allowed_origins=value)
