"""Hostile requests to a running API: each is refused with little CPU time and memory, and other requests succeed."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import websockets

from tests.e2e.attacks.target_process import JSON, MAX_CPU_SECONDS, MAX_GROWTH_BYTES, STREAM, start_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.e2e.attacks.target_process import TargetProcess
    from tests.programs import Valkey

REPEATS = 20
MAX_MESSAGE_BYTES = 65_536
BODY_BYTES = 50 * 2**20


@pytest.fixture(scope="module")
def target(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetProcess]:
    with start_target(tmp_path_factory.mktemp("attacked"), valkey, "attacked:") as target:
        yield target


def fragment_chain(length: int, spreads: int, last: str = "__typename") -> str:
    links = [f"fragment F{i} on Query {{ {f'...F{i + 1} ' * spreads} }}" for i in range(length)]
    return " ".join(["query { ...F0 }", *links, f"fragment F{length} on Query {{ {last} }}"])


def fragment_cycle(length: int) -> str:
    links = [f"fragment F{i} on Query {{ ...F{(i + 1) % length} }}" for i in range(length)]
    return " ".join(["query { ...F0 }", *links])


def merging_fragments(number: int) -> str:
    fragments = [f"fragment F{i} on SystemStats {{ queue {{ queued }} }}" for i in range(number)]
    spreads = " ".join(f"...F{i}" for i in range(number))
    return " ".join(["query { system {", spreads, "} }", *fragments])


NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
JOBS = "query ($n: Int) { jobs(first: $n) { edges { node { primes(first: $n) { values } } } } }"
OPERATIONS: dict[str, tuple[str, Any]] = {
    "1,000 aliases": ("{ " + " ".join(f"a{i}: limits {{ maxCount }}" for i in range(1_000)) + " }", None),
    "300 aliases": ("{ " + " ".join(f"a{i}: __typename" for i in range(300)) + " }", None),
    "300 fields that merge": ("{ system { " + "queue { queued } " * 148 + "} }", None),
    "depth 10,000": ("{ a" * 10_000 + " }" * 10_000, None),
    "depth 200": ("{ a" * 200 + " }" * 200, None),
    "circular fragments": (fragment_cycle(1), None),
    "a long cycle of fragments": (fragment_cycle(120), None),
    "fragments that merge": (merging_fragments(70), None),
    "exponential fragments": (fragment_chain(22, 2), None),
    "more exponential fragments": (fragment_chain(90, 2), None),
    "100,000 directives": ("{ limits { maxCount " + "@a" * 100_000 + " } }", None),
    "450 directives": ("{ limits { maxCount " + "@a " * 450 + "} }", None),
    "variables of 10^5 items": (NODES, {"ids": ["x"] * 50_000}),
    "literals of many items": ("{ nodes(ids: [" + "1 " * 100_000 + "]) { id } }", None),
    "nested variables": (NODES, {"ids": json.loads("[" * 200 + "]" * 200)}),
    "pages of pages": (JOBS, {"n": 1_000}),
    "introspection many times": (
        "{ " + " ".join(f"a{i}: __schema {{ types {{ name }} }}" for i in range(20)) + " }",
        None,
    ),
    "a long string": ('{ job(id: "' + "x" * 200_000 + '") { id } }', None),
    "many comments": ("#\n" * 100_000 + "{ __typename }", None),
    "misspelt names": ("{ " + " ".join(f"job{i}s" for i in range(15)) + " }", None),
}


# What each operation is refused with: the name of a limit, an error code, or the status 413.
REFUSED_BY = {
    "1,000 aliases": "LIMIT_EXCEEDED",
    "300 aliases": "selections",
    "300 fields that merge": "selections",
    "depth 10,000": "LIMIT_EXCEEDED",
    "depth 200": "depth",
    "circular fragments": "GRAPHQL_VALIDATION_FAILED",
    "a long cycle of fragments": "depth",
    "fragments that merge": "selections",
    "exponential fragments": "cost",
    "more exponential fragments": "depth",
    "100,000 directives": "LIMIT_EXCEEDED",
    "450 directives": "GRAPHQL_VALIDATION_FAILED",
    "variables of 10^5 items": "list items",
    "literals of many items": "LIMIT_EXCEEDED",
    "nested variables": "BAD_USER_INPUT",
    "pages of pages": "cost",
    "introspection many times": "cost",
    "a long string": "LIMIT_EXCEEDED",
    "many comments": "413",
    "misspelt names": "GRAPHQL_VALIDATION_FAILED",
}


@pytest.mark.parametrize("accept", [JSON, STREAM])
@pytest.mark.parametrize("name", OPERATIONS)
def test_hostile_operation_is_refused_with_little_cpu_time_and_memory(
    target: TargetProcess, name: str, accept: str
) -> None:
    query, variables = OPERATIONS[name]
    resident_before, cpu_seconds = target.resident_bytes(), []
    for number in range(REPEATS):
        before = target.cpu_seconds()
        # Different each time, so that no cache applies.
        response = target.send(f"{query}#{number}", variables, accept)
        cpu_seconds.append(target.cpu_seconds() - before)
        assert response.status_code < 500
        extensions = [error["extensions"] for error in errors_of(response)]
        assert ({found.get("limit", found["code"]) for found in extensions} or {"413"}) == {REFUSED_BY[name]}
    assert median(cpu_seconds) < MAX_CPU_SECONDS
    assert target.resident_bytes() - resident_before < MAX_GROWTH_BYTES
    assert target.responds()


def errors_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The errors of a refusal, which is a single response or a stream with one event."""
    text = response.text.removeprefix("event: next\ndata: ").partition("\n")[0]
    body = json.loads(text)
    if response.headers["content-type"].startswith("application/problem+json"):
        assert body["status"] == 413
        return []
    found: list[dict[str, Any]] = body["errors"]
    assert found
    return found


def test_different_documents_take_bounded_memory(target: TargetProcess) -> None:
    before = target.cpu_seconds()
    resident_before = target.resident_bytes()
    for i in range(150):
        target.send("{ limits { " + f"a{i}: maxCount " + "maxCount " * 245 + "} }")
    assert target.cpu_seconds() - before < 150 * MAX_CPU_SECONDS
    assert target.resident_bytes() - resident_before < MAX_GROWTH_BYTES


BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "1 MB of nested arrays": (b"[" * 2**20, {}),
    "nested arrays within the limit": (b"[" * 250_000, {}),
    "nested objects within the limit": (b'{"a":' * 50_000, {}),
    "nested variables": (b'{"query": "{ a }", "variables": ' + b'{"a":' * 1_000 + b"1" + b"}" * 1_001, {}),
    "a number of 200,000 digits": (b'{"query": "{ a }", "variables": {"a": ' + b"9" * 200_000 + b"}}", {}),
    "a gzip bomb": (gzip.compress(b" " * BODY_BYTES), {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("path", ["/graphql", "/generate"])
@pytest.mark.parametrize("name", BODIES)
def test_hostile_body_is_refused_with_little_cpu_time_and_memory(target: TargetProcess, name: str, path: str) -> None:
    body, headers = BODIES[name]
    resident_before, cpu_seconds = target.resident_bytes(), []
    for _ in range(REPEATS):
        before = target.cpu_seconds()
        response = target.client.post(path, content=body, headers={"Content-Type": JSON, **headers})
        cpu_seconds.append(target.cpu_seconds() - before)
        assert 400 <= response.status_code < 500 or errors_of(response)
    assert median(cpu_seconds) < MAX_CPU_SECONDS
    assert target.resident_bytes() - resident_before < MAX_GROWTH_BYTES
    assert target.responds()


@pytest.mark.parametrize("path", ["/graphql", "/generate"])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_of_50_mb_is_refused_before_it_is_read(target: TargetProcess, path: str, chunked: bool) -> None:
    before, resident_before = target.cpu_seconds(), target.resident_bytes()
    assert send_large_body(target, path, chunked) in {400, 413}
    assert target.cpu_seconds() - before < MAX_CPU_SECONDS
    assert target.resident_bytes() - resident_before < MAX_GROWTH_BYTES
    assert target.responds()


def send_large_body(target: TargetProcess, path: str, chunked: bool) -> int:
    """Send a body until the server closes the connection, ignoring its response. Returns the status."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {BODY_BYTES}"
    head = f"POST {path} HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\nContent-Type: {JSON}\r\n{length}\r\n\r\n"
    piece = b" " * 2**16
    framed = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
    with target.connect() as connection:
        connection.sendall(head.encode())
        response = b""
        with suppress(OSError):
            for _ in range(BODY_BYTES // len(piece)):
                connection.sendall(framed)
        with suppress(OSError):
            response = connection.recv(64)
    # Sending to a closed connection may discard the response before it is read.
    return int(response.split()[1]) if response else 413


@pytest.mark.parametrize("name", OPERATIONS)
async def test_hostile_operation_is_refused_over_a_websocket_and_other_operations_continue(
    target: TargetProcess, name: str
) -> None:
    query, variables = OPERATIONS[name]
    cpu_seconds = []
    for number in range(5):
        before = target.cpu_seconds()
        payload = {"query": f"{query}#{number} by socket", "variables": variables}
        await attack_by_websocket(target, payload, REFUSED_BY[name])
        cpu_seconds.append(target.cpu_seconds() - before)
    assert median(cpu_seconds) < MAX_CPU_SECONDS
    assert target.responds()


async def attack_by_websocket(target: TargetProcess, payload: dict[str, Any], refused_by: str) -> None:
    """Send an operation: it is refused and the next one succeeds, or the WebSocket is closed if it is too large."""
    address = f"{target.url.replace('http', 'ws', 1)}/graphql"
    async with websockets.connect(address, subprotocols=[websockets.Subprotocol("graphql-transport-ws")]) as websocket:

        async def exchange(message: dict[str, Any]) -> Any:
            await websocket.send(json.dumps(message))
            return json.loads(await asyncio.wait_for(websocket.recv(), 10))

        await exchange({"type": "connection_init"})
        attack = {"id": "1", "type": "subscribe", "payload": payload}
        if len(json.dumps(attack)) > MAX_MESSAGE_BYTES:
            with pytest.raises(websockets.ConnectionClosed):
                await exchange(attack)
            assert websocket.close_code == 1009
            return
        response = await exchange(attack)
        if response["type"] == "next":
            # Errors of variables are in the response of the execution.
            errors = response["payload"]["errors"]
            assert response["payload"]["data"] is None
            assert json.loads(await asyncio.wait_for(websocket.recv(), 10)) == {"type": "complete", "id": "1"}
        else:
            assert response["type"] == "error"
            errors = response["payload"]
        assert {error["extensions"].get("limit", error["extensions"]["code"]) for error in errors} == {refused_by}
        harmless = {"query": "{ limits { maxCount } }"}
        assert (await exchange({"id": "2", "type": "subscribe", "payload": harmless}))["type"] == "next"
