"""Requests that are refused before execution: the same error on every transport, and nothing is executed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from gql.graphql.persisted_documents import identifier_of
from tests import in_process
from tests.gql.graphql.transports import (
    BY_GET,
    BY_WEBSOCKET,
    EVENTS,
    JSON,
    MULTIPART,
    STRICT,
    TRANSPORTS,
    in_query,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Valkey

ONE = "query One { __typename }"
SUBMIT = "mutation Submit { generatePrimes(input: {count: 3}) { __typename } }"
CANCEL = 'mutation Cancel { cancelJob(id: "none") { __typename } }'
STATS = "subscription Stats { systemStats(intervalMs: 100) { __typename } }"
ANONYMOUS = "{ __typename }"
TRUSTED = "query Trusted { limits { maxPageSize } }"
# A subscription that completes at once.
GONE = 'subscription Gone { jobUpdates(id: "none") { __typename } }'
GONE_DATA = [{"data": {"jobUpdates": {"__typename": "JobNotFound"}}}]
NAMES_AND_FRAGMENTS = f"{SUBMIT} {CANCEL} fragment F on Query {{ __typename }}"

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
HASH = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
NO_JOBS = [{"data": {"jobs": {"totalCount": 0}}}]

MISSING = "query is missing or empty"
NO_OPERATION = "The document has no operation."
SEVERAL = "The document has more than one operation: send operationName."


@pytest.fixture(scope="module")
def api(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The GraphQL endpoint of an API without a worker, with two trusted documents."""
    manifest = tmp_path_factory.mktemp("manifest") / "documents.json"
    manifest.write_text(json.dumps({identifier_of(text): text for text in (TRUSTED, GONE)}))
    with in_process.api(valkey.url, "refused:", TRUSTED_DOCUMENTS=str(manifest)) as url:
        yield f"{url}/graphql"


def error(message: str, code: str = "BAD_REQUEST") -> list[dict[str, Any]]:
    return [{"errors": [{"message": message, "extensions": {"code": code}}]}]


UNCLEAR: list[tuple[dict[str, Any], str]] = [
    ({"query": ONE, "operationName": "Nope"}, 'Unknown operation named "Nope".'),
    ({"query": ONE, "operationName": "one"}, 'Unknown operation named "one".'),
    ({"query": ANONYMOUS, "operationName": "Nope"}, 'Unknown operation named "Nope".'),
    ({"query": STATS, "operationName": "Nope"}, 'Unknown operation named "Nope".'),
    ({"query": f"{SUBMIT} {CANCEL}", "operationName": "Nope"}, 'Unknown operation named "Nope".'),
    ({"query": "query One { nothing }", "operationName": "Nope"}, 'Unknown operation named "Nope".'),
    ({"query": ONE, "operationName": "x" * 1_000}, f'Unknown operation named "{"x" * 275}'),
    ({"documentId": identifier_of(TRUSTED), "operationName": "Nope"}, 'Unknown operation named "Nope".'),
    ({"query": "fragment F on Query { __typename }"}, NO_OPERATION),
    ({"query": "fragment F on Nothing { nothing }"}, NO_OPERATION),
    ({"query": "type Query { a: Int }"}, NO_OPERATION),
    ({"query": "fragment F on Query { __typename }", "operationName": "F"}, 'Unknown operation named "F".'),
    ({"query": f"{SUBMIT} {CANCEL}"}, SEVERAL),
    ({"query": f"{SUBMIT} {CANCEL}", "operationName": None}, SEVERAL),
    ({"query": NAMES_AND_FRAGMENTS}, SEVERAL),
    ({"query": f"{ONE} {SUBMIT}"}, SEVERAL),
    ({"query": f"{STATS} {SUBMIT}"}, SEVERAL),
    ({"query": f"{ONE} {STATS}"}, SEVERAL),
    ({"query": f"{STATS} subscription Other {{ systemStats {{ at }} }}"}, SEVERAL),
    ({"query": " ".join(f"query Q{number} {{ __typename }}" for number in range(11))}, SEVERAL),
]


@pytest.mark.parametrize(("parameters", "message"), UNCLEAR, ids=lambda value: str(value)[:80])
async def test_request_without_a_clear_operation_has_the_same_error_on_every_transport(
    api: str, parameters: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    for transport in TRANSPORTS:
        assert await transport.responses(api, parameters) == error(message), transport
    assert "Traceback" not in caplog.text
    assert await BY_WEBSOCKET.responses(api, {"query": "{ jobs { totalCount } }"}) == NO_JOBS


@pytest.mark.parametrize(
    "parameters",
    [{}, {"query": None}, {"query": ""}, {"query": "", "documentId": ""}, {"documentId": None, "variables": {"a": 1}}],
    ids=str,
)
async def test_request_without_a_query_has_the_same_error_on_every_transport(
    api: str, parameters: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for transport in TRANSPORTS:
        assert await transport.responses(api, parameters) == error(MISSING), transport
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
        {
            "query": None,
            "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}},
            "variables": {"a": 1},
        },
        {"query": "", "extensions": {"persistedQuery": {}, "other": 1}, "operationName": "One", "documentId": ""},
    ],
    ids=str,
)
async def test_hash_of_a_query_alone_has_the_error_that_makes_clients_send_the_query(
    api: str, parameters: dict[str, Any]
) -> None:
    for transport in TRANSPORTS:
        found = await transport.responses(api, parameters)
        assert found == error("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED"), transport


@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), ("*/*", 200), (STRICT, 400), (f"{STRICT}, {JSON}", 400)])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_hash_of_a_query_alone_is_an_error_of_http_in_its_media_type_only(
    api: str, method: str, accept: str, status: int
) -> None:
    parameters = {"extensions": HASH}
    sent: dict[str, Any] = {"params": in_query(parameters)} if method == "GET" else {"json": parameters}
    async with httpx.AsyncClient() as client:
        response = await client.request(method, api, headers={"Accept": accept}, **sent)
    assert response.status_code == status


async def test_query_with_its_hash_is_executed(api: str) -> None:
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": identifier_of(ONE).removeprefix("sha256:")}}
    for transport in set(TRANSPORTS) - set(BY_GET):
        found = await transport.responses(api, {"query": ONE, "extensions": extensions})
        assert found == [{"data": {"__typename": "Query"}}], transport


async def test_byte_order_mark_before_json_is_skipped(api: str) -> None:
    text = json.dumps({"query": ONE})
    async with httpx.AsyncClient() as client:
        response = await client.post(api, content=f"{BOM}{text}", headers={"Content-Type": JSON})
        assert response.json() == {"data": {"__typename": "Query"}}
        parameters = {"query": GONE, "variables": f"{BOM}{{}}", "extensions": f"{BOM}{{}}"}
        response = await client.get(api, params=parameters, headers={"Accept": EVENTS})
        assert "JobNotFound" in response.text
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(api.replace("http", "ws", 1), subprotocols=protocols) as socket:
        await socket.send(f'{BOM}{{"type": "connection_init"}}')
        assert await socket.recv() == '{"type":"connection_ack"}'


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"query": f"{ONE} {TRUSTED} {SUBMIT}", "operationName": "Trusted"}, {"limits"}),
        ({"query": f"{SUBMIT} {STATS} {ONE}", "operationName": "One"}, {"__typename"}),
        ({"query": TRUSTED}, {"limits"}),
        ({"documentId": identifier_of(TRUSTED), "operationName": "Trusted"}, {"limits"}),
    ],
)
async def test_named_or_only_operation_is_executed(api: str, parameters: dict[str, Any], names: set[str]) -> None:
    for transport in set(TRANSPORTS) - set(BY_GET):
        [response] = await transport.responses(api, parameters)
        assert response["data"].keys() == names, transport


@pytest.mark.parametrize(
    "absent",
    [
        {},
        {"query": None},
        {"query": ""},
        {"query": None, "operationName": None, "variables": None, "extensions": None},
        {"query": "", "variables": {}, "extensions": HASH},
    ],
    ids=str,
)
async def test_absent_parameters_beside_a_document_id_have_no_effect(api: str, absent: dict[str, Any]) -> None:
    for transport in TRANSPORTS:
        subscribed = await transport.responses(api, {"documentId": identifier_of(GONE), **absent})
        if EVENTS in transport.accept or MULTIPART in transport.accept or transport is BY_WEBSOCKET:
            assert subscribed == GONE_DATA, transport
        else:
            assert subscribed[0]["errors"][0]["extensions"] == {"code": "NOT_ACCEPTABLE"}, transport
        if transport not in BY_GET:
            queried = await transport.responses(api, {"documentId": identifier_of(TRUSTED), **absent})
            assert queried == [{"data": {"limits": {"maxPageSize": 1_000}}}], transport


@pytest.mark.parametrize("identifier", [None, ""])
async def test_absent_document_id_beside_a_query_has_no_effect(api: str, identifier: str | None) -> None:
    for transport in set(TRANSPORTS) - set(BY_GET):
        found = await transport.responses(api, {"query": ONE, "documentId": identifier})
        assert found == [{"data": {"__typename": "Query"}}], transport


@pytest.mark.parametrize("accept", [EVENTS, MULTIPART])
@pytest.mark.parametrize(
    "absent",
    [
        "variables=", "variables=null", "variables={}", "extensions=", "extensions=null", "operationName=",
        "documentId=", "variables=&extensions=null&operationName=&documentId=",
    ],
)  # fmt: skip
async def test_absent_parameters_of_a_get_have_no_effect(api: str, absent: str, accept: str) -> None:
    async with httpx.AsyncClient() as client:
        for request in (f"query={GONE}", f"query=&documentId={identifier_of(GONE)}"):
            if "documentId=" in absent and "documentId=" in request:
                continue
            response = await client.get(f"{api}?{request}&{absent}", headers={"Accept": accept})
            assert '{"data":{"jobUpdates":{"__typename":"JobNotFound"}}}' in response.text


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
@pytest.mark.parametrize("absent", ["", "query=", "documentId=", "query=&variables=&extensions="])
async def test_browser_gets_graphiql_without_an_operation(api: str, absent: str, accept: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{api}?{absent}", headers={"Accept": accept})
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("variables={", "variables is not valid JSON"),
        ("extensions=x", "extensions is not valid JSON"),
        ("variables=[1]", "The GraphQL operation's `variables` must be an object or null, if provided."),
        ("variables=1", "The GraphQL operation's `variables` must be an object or null, if provided."),
        ("extensions=%22x%22", "The GraphQL operation's `extensions` must be an object or null, if provided."),
        ("operationName=null", 'Unknown operation named "null".'),
    ],
)
async def test_invalid_parameter_of_a_get_is_named(api: str, parameters: str, message: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{api}?query={GONE}&{parameters}", headers={"Accept": EVENTS})
    assert (response.status_code, response.json()) == (400, error(message)[0])


@pytest.mark.parametrize("accept", [transport.accept for transport in BY_GET])
@pytest.mark.parametrize(
    "parameters",
    [
        {"query": SUBMIT},
        {"query": SUBMIT, "operationName": "Submit"},
        {"query": f"{STATS} {SUBMIT}", "operationName": "Submit"},
        {"query": "mutation { nothing }"},
    ],
)
async def test_mutation_by_get_is_405_whatever_is_accepted(api: str, parameters: dict[str, str], accept: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(api, params=parameters, headers={"Accept": accept})
    assert response.status_code == 405
    message = "a mutation by GET is not allowed: use POST"
    assert response.json() == error(message, "METHOD_NOT_ALLOWED")[0]


@pytest.mark.parametrize("accept", [transport.accept for transport in TRANSPORTS if transport is not BY_WEBSOCKET])
async def test_refusal_has_status_400_whatever_is_accepted(api: str, accept: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(api, json={"query": ONE, "operationName": "Nope"}, headers={"Accept": accept})
    assert response.status_code == 400
