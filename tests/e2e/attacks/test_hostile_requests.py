"""What attackers send, against the running API: each is refused for little work and little memory, and it goes on."""

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

from tests.e2e.attacks.target_process import JSON, MOST_BYTES, MOST_SECONDS, STREAM, attacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.e2e.attacks.target_process import TargetProcess
    from tests.programs import Valkey

REPEATS = 20
LARGEST_MESSAGE = 65_536
BODY_BYTES = 50 * 2**20


@pytest.fixture(scope="module")
def target(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetProcess]:
    with attacked(tmp_path_factory.mktemp("attacked"), valkey, "attacked:") as found:
        yield found


def chain(length: int, spreads: int, last: str = "__typename") -> str:
    links = [f"fragment F{i} on Query {{ {f'...F{i + 1} ' * spreads} }}" for i in range(length)]
    return " ".join(["query { ...F0 }", *links, f"fragment F{length} on Query {{ {last} }}"])


def circle(length: int) -> str:
    links = [f"fragment F{i} on Query {{ ...F{(i + 1) % length} }}" for i in range(length)]
    return " ".join(["query { ...F0 }", *links])


def merging(number: int) -> str:
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
    "circular fragments": (circle(1), None),
    "a large circle of fragments": (circle(120), None),
    "fragments that merge": (merging(70), None),
    "exponential fragments": (chain(22, 2), None),
    "more exponential fragments": (chain(90, 2), None),
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
    "names nearly right": ("{ " + " ".join(f"job{i}s" for i in range(15)) + " }", None),
}


# What refuses each operation: a limit, by its name if the error has it; validation; variables; the size of the body.
REFUSED_BY = {
    "1,000 aliases": "LIMIT_EXCEEDED",
    "300 aliases": "selections",
    "300 fields that merge": "selections",
    "depth 10,000": "LIMIT_EXCEEDED",
    "depth 200": "depth",
    "circular fragments": "GRAPHQL_VALIDATION_FAILED",
    "a large circle of fragments": "depth",
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
    "names nearly right": "GRAPHQL_VALIDATION_FAILED",
}


@pytest.mark.parametrize("accept", [JSON, STREAM])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_meant_to_harm_is_refused_for_little(target: TargetProcess, name: str, accept: str) -> None:
    query, variables = OPERATIONS[name]
    resident, work = target.resident(), []
    for number in range(REPEATS):
        before = target.worked()
        # Another one each time, so that nothing is known of it.
        answer = target.send(f"{query}#{number}", variables, accept)
        work.append(target.worked() - before)
        assert answer.status_code < 500
        extensions = [error["extensions"] for error in errors_of(answer)]
        assert ({found.get("limit", found["code"]) for found in extensions} or {"413"}) == {REFUSED_BY[name]}
    assert median(work) < MOST_SECONDS
    assert target.resident() - resident < MOST_BYTES
    assert target.answers()


def errors_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The errors of a refusal, be it a single answer or a stream with one event."""
    text = answer.text.removeprefix("event: next\ndata: ").partition("\n")[0]
    body = json.loads(text)
    if answer.headers["content-type"].startswith("application/problem+json"):
        assert body["status"] == 413
        return []
    found: list[dict[str, Any]] = body["errors"]
    assert found
    return found


def test_different_documents_do_not_pile_up(target: TargetProcess) -> None:
    before = target.worked()
    resident = target.resident()
    for i in range(150):
        target.send("{ limits { " + f"a{i}: maxCount " + "maxCount " * 245 + "} }")
    assert target.worked() - before < 150 * MOST_SECONDS
    assert target.resident() - resident < MOST_BYTES


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
def test_a_body_meant_to_harm_is_refused_for_little(target: TargetProcess, name: str, path: str) -> None:
    body, headers = BODIES[name]
    resident, work = target.resident(), []
    for _ in range(REPEATS):
        before = target.worked()
        answer = target.client.post(path, content=body, headers={"Content-Type": JSON, **headers})
        work.append(target.worked() - before)
        assert 400 <= answer.status_code < 500 or errors_of(answer)
    assert median(work) < MOST_SECONDS
    assert target.resident() - resident < MOST_BYTES
    assert target.answers()


@pytest.mark.parametrize("path", ["/graphql", "/generate"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_50_mb_is_refused_before_it_is_read(target: TargetProcess, path: str, chunked: bool) -> None:
    before, resident = target.worked(), target.resident()
    assert send_a_lot(target, path, chunked) in {400, 413}
    assert target.worked() - before < MOST_SECONDS
    assert target.resident() - resident < MOST_BYTES
    assert target.answers()


def send_a_lot(target: TargetProcess, path: str, chunked: bool) -> int:
    """The status of the answer to a body that is sent on, whatever is answered, until the other side hangs up."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {BODY_BYTES}"
    head = f"POST {path} HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\nContent-Type: {JSON}\r\n{length}\r\n\r\n"
    piece = b" " * 2**16
    framed = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
    with target.connect() as connection:
        connection.sendall(head.encode())
        answer = b""
        with suppress(OSError):
            for _ in range(BODY_BYTES // len(piece)):
                connection.sendall(framed)
        with suppress(OSError):
            answer = connection.recv(64)
    # What is sent into a closed connection may throw the answer away before it is read.
    return int(answer.split()[1]) if answer else 413


@pytest.mark.parametrize("name", OPERATIONS)
async def test_over_a_websocket_too_and_its_other_operations_go_on(target: TargetProcess, name: str) -> None:
    query, variables = OPERATIONS[name]
    work = []
    for number in range(5):
        before = target.worked()
        payload = {"query": f"{query}#{number} by socket", "variables": variables}
        await attack_by_websocket(target, payload, REFUSED_BY[name])
        work.append(target.worked() - before)
    assert median(work) < MOST_SECONDS
    assert target.answers()


async def attack_by_websocket(target: TargetProcess, payload: dict[str, Any], refused_by: str) -> None:
    """Send an operation; it is refused, and another one on the same socket is answered. Or the socket is closed."""
    address = f"{target.url.replace('http', 'ws', 1)}/graphql"
    async with websockets.connect(address, subprotocols=[websockets.Subprotocol("graphql-transport-ws")]) as socket_:

        async def ask(message: dict[str, Any]) -> Any:
            await socket_.send(json.dumps(message))
            return json.loads(await asyncio.wait_for(socket_.recv(), 10))

        await ask({"type": "connection_init"})
        attack = {"id": "1", "type": "subscribe", "payload": payload}
        if len(json.dumps(attack)) > LARGEST_MESSAGE:
            with pytest.raises(websockets.ConnectionClosed):
                await ask(attack)
            assert socket_.close_code == 1009
            return
        answer = await ask(attack)
        if answer["type"] == "next":
            # Variables are coerced by the execution, whose errors are in a response.
            errors = answer["payload"]["errors"]
            assert answer["payload"]["data"] is None
            assert json.loads(await asyncio.wait_for(socket_.recv(), 10)) == {"type": "complete", "id": "1"}
        else:
            assert answer["type"] == "error"
            errors = answer["payload"]
        assert {error["extensions"].get("limit", error["extensions"]["code"]) for error in errors} == {refused_by}
        fine = {"query": "{ limits { maxCount } }"}
        assert (await ask({"id": "2", "type": "subscribe", "payload": fine}))["type"] == "next"
