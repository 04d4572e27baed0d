"""The fast path and Strawberry's router: each request has the same response on both, byte for byte."""

from __future__ import annotations

import asyncio
import json
from itertools import product, starmap
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from gql.app import create_app
from gql.graphql import fast_path
from gql.graphql.fast_path import GraphQLFastPath
from gql.graphql.persisted_documents import identifier_of
from gql.graphql.router import GraphQLOverHTTPRouter
from gql.settings import ApiSettings
from schema.errors import masking
from schema.execution.plan import DocumentPlans
from tasks.service import JobSystem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.types import Message

    from tasks.settings import JobSettings

JSON = "application/json"
STRICT = "application/graphql-response+json"
EVENTS = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionSpec=1.0"

LIMITS = "{ limits { maxCount } }"
TWO = "query A { __typename } query B { limits { maxCount } }"
TRUSTED = "query Trusted { limits { maxPageSize } }"
SUBMIT = """mutation Submit($input: GeneratePrimesInput!, $ms: Int = 0) { generatePrimes(input: $input, waitMs: $ms) {
    __typename
    ... on GeneratePrimesAccepted { outcome job { id status count version } }
    ... on ValidationError { code message issues { path message } }
} }"""
JOB = "query Job($id: ID!, $first: Int) { job(id: $id) { id status result { primes(first: $first) { values } } } }"
INPUT = {"count": 10, "idempotencyKey": "one"}


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


VALID_BODY = encoded({"query": LIMITS})
VALID: list[dict[str, Any]] = [
    {"query": "{ __typename }"},
    {"query": LIMITS},
    {"query": LIMITS, "variables": None, "operationName": None, "extensions": None},
    {"query": LIMITS, "extensions": {"any": [1]}, "unknown": 1},
    {"query": LIMITS, "variables": {"unused": [1, {"a": None}]}},
    {"query": "query { a: limits { ...F } } fragment F on Limits { b: maxCount @skip(if: true) maxPageSize }"},
    {"query": '# é\n{ job(id: "é \\u00e9") { id } }'},
    {"query": "query Named { limits { maxCount } }", "operationName": "Named"},
    {"query": TWO, "operationName": "A"},
    {"query": TWO, "operationName": "B"},
    {"query": "{ __schema { queryType { name fields { name } } } }"},
    {"query": SUBMIT, "variables": {"input": INPUT}},
    {"query": SUBMIT, "variables": {"input": {"count": 0}}},
    {"query": SUBMIT, "variables": {"input": {"count": 5}, "ms": -1}},
    {"query": SUBMIT, "variables": {"input": {"count": "ten"}}},
    {"query": SUBMIT, "variables": {"input": {"count": 10**30}}},
    {"query": SUBMIT, "variables": {}},
    {"query": SUBMIT},
    {"query": JOB, "variables": {"id": "none"}},
    {"query": 'mutation { cancelJob(id: "none") { __typename ... on JobNotFound { code message } } }'},
    {"query": "{ job(id: 1, waitMs: -1) { id } ok: limits { maxCount } }"},
    {"query": "query ($w: Int = 0) { job(id: 1, waitMs: $w) { id } limits { maxCount } }", "variables": {"w": None}},
    {"query": "query ($c: Boolean = true) { limits { maxCount @skip(if: $c) } }", "variables": {"c": None}},
    {"query": "query ($c: Boolean = true) { limits @skip(if: $c) { maxCount } }", "variables": {"c": None}},
    {"query": "{ jobs(first: -1) { totalCount } }"},
    {"query": '{ jobs(after: "wrong") { totalCount } }'},
    # Its resolver fails in this test.
    {"query": "{ system { at } }"},
    {"query": "{ limits { maxCount } system { at } }"},
    {"documentId": identifier_of(TRUSTED)},
    {"documentId": identifier_of(TRUSTED), "query": None, "operationName": "Trusted"},
    {"documentId": identifier_of(TRUSTED), "query": "", "operationName": None},
    {"documentId": None, "query": LIMITS},
    {"documentId": "", "query": LIMITS},
]

REFUSED_OPERATIONS: list[dict[str, Any]] = [
    {"query": None},
    {"query": 1},
    {"query": ""},
    {"query": "  "},
    {"query": "{"},
    {"query": "{ nothing }"},
    {"query": LIMITS, "variables": []},
    {"query": LIMITS, "variables": "{}"},
    {"query": LIMITS, "extensions": 1},
    {"query": LIMITS, "operationName": {}},
    {"query": LIMITS, "operationName": "Other"},
    {"query": LIMITS, "operationName": ""},
    {"query": TWO},
    {"query": TWO, "operationName": "C"},
    {"query": TWO, "operationName": None},
    {"query": "mutation A { cancelJob(id: 1) { __typename } } mutation B { cancelJob(id: 2) { __typename } }"},
    {"query": "{ __typename } { __typename }"},
    {"query": "query A { __typename } query A { __typename }"},
    {"query": "fragment F on Limits { maxCount }"},
    {"query": "type Query { a: Int }"},
    {"query": "subscription { systemStats { at } }"},
    {"query": f"{LIMITS} subscription S {{ a }}"},
    {"query": "{ limits { maxCount } " + "x" * 20_000 + " }"},
    {"query": "{" + " limits { maxCount }" * 300 + "}"},
    {"query": "{ jobs { edges { node { result { primes(first: 1000) { values } } } } } }"},
    {"query": "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", "variables": {"ids": ["a"] * 10_001}},
    {"documentId": "sha256:unknown"},
    {"documentId": 1},
    {"documentId": ""},
    {"documentId": "", "query": ""},
    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}},
    {"query": "", "operationName": "A", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}},
    {"documentId": identifier_of(TRUSTED), "query": LIMITS},
]
REFUSED: list[bytes] = [
    b"", b"null", b"true", b"1", b'"x"', b"{", b"\xff\xfe", b'{"query": "\xff"}', b"[" * 1000, b'{"a":' * 1000,
    b"\xef\xbb\xbf" + encoded({"query": LIMITS}), b"\xef\xbb\xbf",
    b'{"query": ' + b"9" * 5000 + b"}", b"[]", b"[1]", b'[{"query": "{ a }"}]', b"{}",
    *(json.dumps(body).encode() for body in REFUSED_OPERATIONS),
]  # fmt: skip

# The lines of a header that is repeated are separated by line feeds.
ACCEPTS = [
    None, "", "*/*", JSON, STRICT, f"{STRICT}, {JSON}", f"{JSON}, {STRICT};q=0.9", f"{STRICT};charset=utf-8",
    "text/html", "application/xml", EVENTS, f"{JSON}, {EVENTS}", f"{EVENTS};q=0.5, {JSON}", MULTIPART,
    f"{MULTIPART}, {JSON}", "Ä;q=x", f"{STRICT};q=0", f"{JSON};x=" + "y" * 300,
    f"{JSON}\n{STRICT}", f"{JSON}\n{EVENTS}", f"{JSON};q=0.1\n{EVENTS}", f"{JSON};q=0, */*", f"{STRICT};q=nan",
    "*;q=.2", f'text/plain;x="\\", {STRICT}"', "application/*",
]  # fmt: skip
CONTENT_TYPES = [
    None, "", JSON, "Application/JSON", f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"', f"{JSON}; charset=utf-16",
    "application/jsonx", STRICT, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    f"{JSON}\n{JSON}", f"{JSON}\ntext/plain", f"text/plain\n{JSON}", f"{JSON}, text/plain", f"{JSON};", f"{JSON} ;x",
    f"{JSON};charset=utf-8;charset=utf-16", f"{JSON};charset=", f'{JSON};x="a,b"', f"{JSON}=1", "application /json",
]  # fmt: skip


class Post(NamedTuple):
    """A request whose body arrives in parts."""

    body: bytes
    accept: str | None = JSON
    content_type: str | None = JSON
    path: str = "/graphql"
    parts: int = 1


async def respond(app: FastAPI, request: Post) -> list[Message]:
    """The ASGI messages of the response."""
    length = str(len(request.body))
    given = {
        "content-type": request.content_type,
        "accept": request.accept,
        "content-length": length,
        "host": "localhost",
    }
    lines = [(name, line) for name, value in given.items() if value is not None for line in value.split("\n")]
    headers = [(name.encode(), line.encode("latin-1")) for name, line in lines]
    path, _, query = request.path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": headers,
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "state": {},
    }  # fmt: skip
    size = len(request.body) // request.parts + 1
    pending = [request.body[start : start + size] for start in range(0, size * request.parts, size)]
    sent: list[Message] = []

    async def receive() -> Message:
        if not pending:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def forward(self: GraphQLFastPath, *request: Any) -> None:
    """In place of the fast path: every request takes the router."""
    await self._app(*request)


async def differences(app: FastAPI, requests: Iterable[Post]) -> dict[Post, Any]:
    """The requests whose responses differ between the fast path and the router, with both responses."""
    found = {}
    for request in requests:
        fast = await respond(app, request)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GraphQLFastPath, "__call__", forward)
            routed = await respond(app, request)
        assert fast, request
        if fast != routed:
            found[request] = fast, routed
    return found


@pytest.fixture
def app(settings: JobSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """With trusted documents, and a resolver that fails."""

    async def fail(_: JobSystem) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(JobSystem, "get_system_state", fail)
    monkeypatch.setattr(masking, "trace_id", lambda: "the-same-on-both")
    manifest = tmp_path / "documents.json"
    manifest.write_text(json.dumps({identifier_of(TRUSTED): TRUSTED}))
    return create_app(ApiSettings(trusted_documents=manifest), settings)


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The method of each request that reached the router."""
    methods: list[str] = []
    run = GraphQLOverHTTPRouter.run

    async def recorded(self: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        methods.append(request.method)
        return await run(self, request, *arguments, **options)

    monkeypatch.setattr(GraphQLOverHTTPRouter, "run", recorded)
    return methods


async def test_valid_operations_have_the_same_responses(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        # The repetitions of this submission are the same.
        await respond(app, Post(encoded({"query": SUBMIT, "variables": {"input": INPUT}})))
        bodies = product(map(encoded, VALID), [JSON, STRICT])
        assert await differences(app, starmap(Post, bodies)) == {}


async def test_refused_requests_have_the_same_responses(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        assert await differences(app, starmap(Post, product(REFUSED, [JSON, STRICT]))) == {}


async def test_media_types_have_the_same_responses(app: FastAPI) -> None:
    bodies = [VALID_BODY, encoded({"query": SUBMIT, "variables": {}}), encoded({"query": "{ nothing }"})]
    requests = [*product(bodies, ACCEPTS, [JSON]), *product(bodies, [JSON, EVENTS], CONTENT_TYPES)]
    async with app.router.lifespan_context(app):
        assert await differences(app, starmap(Post, requests)) == {}


async def test_paths_and_bodies_in_parts_have_the_same_responses(app: FastAPI) -> None:
    paths = ["/graphql", "/graphql?query={a}&documentId=1", "/graphql/", "/graphqlx", "/generate?n=x", "/status/x"]
    requests = product([VALID_BODY, b"{"], [JSON], [JSON], paths, [1, 3])
    async with app.router.lifespan_context(app):
        assert await differences(app, starmap(Post, requests)) == {}


async def test_difference_between_the_ways_is_found(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_path, "encode", lambda body: json.dumps(body).encode())
    async with app.router.lifespan_context(app):
        assert len(await differences(app, [Post(VALID_BODY)])) == 1


async def test_valid_operations_do_not_reach_the_router(app: FastAPI, routed: list[str]) -> None:
    async with app.router.lifespan_context(app):
        for body in VALID:
            await respond(app, Post(encoded(body)))
    assert routed == []


async def test_refused_requests_take_the_router(app: FastAPI, routed: list[str]) -> None:
    async with app.router.lifespan_context(app):
        for body in REFUSED:
            await respond(app, Post(body))
    assert routed == ["POST"] * len(REFUSED)


async def test_uncommon_headers_take_the_router(app: FastAPI, routed: list[str]) -> None:
    async with app.router.lifespan_context(app):
        for accept, content_type in [(EVENTS, JSON), (JSON, "text/plain"), (JSON + " " * 200, JSON)]:
            await respond(app, Post(VALID_BODY, accept, content_type))
    assert len(routed) == 3


async def test_operation_on_the_fast_path_has_the_timeout(
    settings: JobSettings, monkeypatch: pytest.MonkeyPatch, routed: list[str]
) -> None:
    async def block(_: JobSystem) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(JobSystem, "get_system_state", block)
    app = create_app(ApiSettings(max_wait_ms=0, execution_seconds=0.05), settings)
    body = encoded({"query": "{ system { at } }"})
    async with app.router.lifespan_context(app):
        assert await differences(app, [Post(body, JSON), Post(body, STRICT)]) == {}
        _, content = await respond(app, Post(body))
    assert json.loads(content["body"])["errors"][0]["extensions"] == {"code": "TIMEOUT"}
    assert routed == ["POST"] * 2


async def test_unexpected_error_on_the_fast_path_is_masked_and_logged(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    body = encoded({"query": "query Failing { system { at } }"})
    async with app.router.lifespan_context(app):
        _, content = await respond(app, Post(body))
    assert b"a secret" not in content["body"]
    [record] = [record for record in caplog.records if record.name == masking.__name__]
    assert record.getMessage() == "Unexpected error in operation 'Failing' at ['system'], trace the-same-on-both"


@pytest.mark.parametrize("accept", [JSON, STRICT])
async def test_unexpected_error_outside_of_resolvers_is_masked_and_has_status_500(
    app: FastAPI, accept: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(DocumentPlans, "_execute", fail)
    request = Post(VALID_BODY, accept)
    async with app.router.lifespan_context(app):
        assert await differences(app, [request]) == {}
        start, content = await respond(app, request)
    assert start["status"] == 500
    extensions = {"code": "INTERNAL_SERVER_ERROR", "traceId": "the-same-on-both"}
    body = {"errors": [{"message": masking.UNEXPECTED_ERROR_MESSAGE, "extensions": extensions}]}
    assert json.loads(content["body"]) == body
    assert "a secret" in caplog.text


async def test_client_that_disconnects_gets_no_response_and_no_error(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "server": ("127.0.0.1", 80),
            "headers": [(b"host", b"localhost"), (b"content-type", JSON.encode())],
        }  # fmt: skip
        await app(scope, receive, send)
    assert sent == []
