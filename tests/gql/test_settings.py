"""Settings of the API: operation limits on every transport, production mode, defaults."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from gql.settings import ApiSettings
from schema.limits.settings import OperationLimits
from tasks.settings import JobSettings
from tests import in_process
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.programs import Valkey

JSON = "application/json"
STRICT = "application/graphql-response+json"
STREAM = "text/event-stream"
STATS = {"query": "subscription { systemStats(intervalMs: 100) { at } }"}

LOW: dict[str, tuple[int, dict[str, Any]]] = {
    "MAX_TOKENS": (30, {"query": "{ " + "__typename " * 30 + "}"}),
    "MAX_OPERATIONS": (1, {"query": "query A { __typename } query B { __typename }", "operationName": "A"}),
    "MAX_DEPTH": (3, {"query": "{ job(id: 1) { retryOf { retryOf { id } } } }"}),
    "MAX_SELECTIONS": (5, {"query": "{ limits { maxCount maxCount maxCount maxCount maxCount } }"}),
    "MAX_COST": (100, {"query": "{ jobs { edges { cursor } } }"}),
    "MAX_LIST_ITEMS": (2, {"query": "query ($i: [ID!]!) { nodes(ids: $i) { id } }", "variables": {"i": [1, 2, 3]}}),
}


@pytest.fixture(scope="module")
def apis(valkey: Valkey) -> Iterator[dict[str, str]]:
    """The address of an API with a low limit, by the name of the limit."""
    together = [["MAX_DEPTH", "MAX_COST", "MAX_LIST_ITEMS"], ["MAX_TOKENS", "MAX_OPERATIONS"], ["MAX_SELECTIONS"]]
    found: dict[str, str] = {}
    with ExitStack() as stack:
        for names in together:
            low: dict[str, Any] = {name: str(LOW[name][0]) for name in names}
            url = stack.enter_context(in_process.api(valkey.url, "low:", **low))
            found |= dict.fromkeys(names, url)
        yield found


@pytest.mark.parametrize("name", LOW)
@pytest.mark.parametrize("accept", [JSON, STRICT, STREAM])
def test_operation_limits_apply_over_http(apis: dict[str, str], name: str, accept: str) -> None:
    answer = httpx.post(f"{apis[name]}/graphql", json=LOW[name][1], headers={"Accept": accept}, timeout=20)
    assert answer.status_code == (400 if accept == STRICT else 200)
    text = answer.text.removeprefix("event: next\ndata: ").partition("\n")[0]
    [error] = json.loads(text)["errors"]
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert str(LOW[name][0]) in error["message"]


@pytest.mark.parametrize("name", LOW)
async def test_operation_limits_apply_over_websockets(apis: dict[str, str], name: str) -> None:
    async with connected(apis[name]) as socket:
        await send(socket, "1", LOW[name][1])
        answer = await receive(socket)
        assert answer["type"] == "error"
        assert [error["extensions"]["code"] for error in answer["payload"]] == ["LIMIT_EXCEEDED"]


@pytest.mark.parametrize("name", LOW)
def test_small_operation_is_within_every_limit(apis: dict[str, str], name: str) -> None:
    answer = httpx.post(f"{apis[name]}/graphql", json={"query": "{ __typename }"}, timeout=20)
    assert answer.json() == {"data": {"__typename": "Query"}}


async def test_open_operations_of_a_websocket_are_limited(valkey: Valkey, prefix: str) -> None:
    with in_process.api(valkey.url, prefix, MAX_SUBSCRIPTIONS_PER_CONNECTION="2") as url:
        async with connected(url) as socket:
            for number in "123":
                await send(socket, number, STATS)
            while (answer := await receive(socket))["type"] != "error":
                pass
            assert answer["id"] == "3"
            assert answer["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
            await socket.send('{"type": "complete", "id": "1"}')
            await send(socket, "4", STATS)
            async with asyncio.timeout(10):
                while (await receive(socket))["id"] != "4":
                    pass


async def test_slow_query_times_out(valkey: Valkey, prefix: str) -> None:
    """The timeout is shorter than any response of the store."""
    low: dict[str, Any] = {"EXECUTION_SECONDS": "0.00001", "MAX_WAIT_MS": "0"}
    query = {"query": "{ jobs { totalCount } }"}
    with in_process.api(valkey.url, prefix, **low) as url:
        async with httpx.AsyncClient(timeout=20) as client:
            answer = await client.post(f"{url}/graphql", json=query)
        assert answer.json()["errors"][0]["extensions"]["code"] == "TIMEOUT"
        async with connected(url) as socket:
            await send(socket, "1", query)
            assert (await receive(socket))["payload"][0]["extensions"]["code"] == "TIMEOUT"


# Production


@pytest.fixture(scope="module")
def production(valkey: Valkey) -> Iterator[httpx.Client]:
    with (
        in_process.api(valkey.url, "production:", PRODUCTION="true") as url,
        httpx.Client(base_url=url, timeout=20) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ __schema { types { name } } }", None),
        ('{ __type(name: "Job") { name } }', None),
        ("{ limit { maxCount } }", None),
        ("{ job(ide: 1) { id } }", None),
        ("mutation ($i: GeneratePrimesInput!) { generatePrimes(input: $i) { __typename } }", {"i": {"cont": 1}}),
        ("query ($i: Jib) { __typename }", None),
    ],
)
def test_production_errors_reveal_nothing_of_the_schema(
    production: httpx.Client, query: str, variables: dict[str, Any] | None
) -> None:
    answer = production.post("/graphql", json={"query": query, "variables": variables}, headers={"Accept": STRICT})
    assert answer.status_code == 400
    for error in answer.json()["errors"]:
        assert error["message"].endswith(("does not fit the schema.", "do not fit the operation."))


def test_production_has_no_explorer(production: httpx.Client) -> None:
    answer = production.get("/graphql", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "html" not in answer.headers["content-type"]


def test_production_executes_valid_operations(production: httpx.Client) -> None:
    answer = production.post("/graphql", json={"query": "{ __typename limits { maxPageSize } }"})
    assert answer.json() == {"data": {"__typename": "Query", "limits": {"maxPageSize": 1_000}}}


def test_operation_limits_have_their_defaults() -> None:
    limits = OperationLimits()
    assert {name: getattr(ApiSettings(), name) for name in OperationLimits.model_fields} == limits.model_dump()


def test_queries_may_wait_before_their_timeout_starts() -> None:
    assert ApiSettings(max_wait_ms=2_000, execution_seconds=1).execution_timeout == 3


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[websockets.ClientConnection]:
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(f"{url.replace('http', 'ws', 1)}/graphql", subprotocols=protocols) as socket:
        await socket.send('{"type": "connection_init"}')
        assert await receive(socket) == {"type": "connection_ack"}
        yield socket


async def send(socket: websockets.ClientConnection, operation_id: str, payload: dict[str, Any]) -> None:
    await socket.send(json.dumps({"id": operation_id, "type": "subscribe", "payload": payload}))


async def receive(socket: websockets.ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


def test_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ApiSettings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    assert ApiSettings().trusted_documents is None


def test_security_policy_names_existing_settings() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+|PRODUCTION)(?:=\w+)?`", text))
    known = {name.upper() for settings in (ApiSettings, JobSettings) for name in settings.model_fields}
    assert {"MAX_COST", "ALLOWED_ORIGINS", "PRODUCTION"} <= named
    assert {name for name in named if name.startswith(("MAX_", "TRUSTED_DOCUMENTS", "ALLOWED"))} <= known
