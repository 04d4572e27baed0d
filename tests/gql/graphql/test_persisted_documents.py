"""Trusted documents on each transport, with and without permission for other documents."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from gql.graphql.persisted_documents import PersistedDocuments
from tests import in_process
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Valkey

QUERY = "query Page($size: Int) { limits { maxPageSize } jobs(first: $size) { totalCount } }"
STATS = "subscription { systemStats(intervalMs: 100) { __typename } }"
DATA = {"data": {"limits": {"maxPageSize": 1_000}, "jobs": {"totalCount": 0}}}


def identifier(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


MANIFEST = {identifier(text): text for text in (QUERY, STATS)}
KNOWN = {"documentId": identifier(QUERY), "variables": {"size": 1}}
UNKNOWN = {"documentId": identifier("{ __typename }")}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("manifest") / "documents.json"
    file.write_text(json.dumps(MANIFEST))
    return file


@pytest.fixture(scope="module", params=["false", "true"], ids=["any", "trusted_only"])
def trusted_only(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "true")


@pytest.fixture(scope="module")
def api(valkey: Valkey, manifest: Path, trusted_only: bool) -> Iterator[str]:
    settings: dict[str, Any] = {"TRUSTED_DOCUMENTS": str(manifest), "TRUSTED_DOCUMENTS_ONLY": str(trusted_only)}
    with in_process.api(valkey.url, "trusted:", **settings) as url:
        yield f"{url}/graphql"


def error_code(response: httpx.Response) -> str:
    assert response.status_code == 400
    [error] = response.json()["errors"]
    return str(error["extensions"]["code"])


def test_a_document_is_executed_by_its_identifier(api: str) -> None:
    assert httpx.post(api, json=KNOWN).json() == DATA


def test_operation_name_and_variables_apply_to_a_trusted_document(api: str) -> None:
    assert httpx.post(api, json=KNOWN | {"operationName": "Page"}).json() == DATA
    assert "errors" in httpx.post(api, json=KNOWN | {"variables": {"size": -1}}).json()


def test_an_unknown_or_invalid_identifier_is_refused(api: str) -> None:
    assert error_code(httpx.post(api, json=UNKNOWN)) == "PERSISTED_DOCUMENT_NOT_FOUND"
    assert error_code(httpx.post(api, json={"documentId": 1})) == "BAD_REQUEST"
    assert error_code(httpx.post(api, json=KNOWN | {"query": QUERY})) == "BAD_REQUEST"


def test_a_query_is_refused_if_only_trusted_documents_are_allowed(api: str, trusted_only: bool) -> None:
    for query in ("{ __typename }", QUERY):
        response = httpx.post(api, json={"query": query, "variables": {"size": 1}})
        assert error_code(response) == "TRUSTED_DOCUMENT_REQUIRED" if trusted_only else "data" in response.json()


def test_an_event_stream_starts_by_identifier(api: str) -> None:
    headers = {"Accept": "text/event-stream"}
    parameters = {"documentId": identifier(STATS)}
    for request in ({"method": "GET", "params": parameters}, {"method": "POST", "json": parameters}):
        with httpx.stream(url=api, headers=headers, timeout=10, **request) as response:  # type: ignore[arg-type]
            event = next(line for line in response.iter_lines() if line.startswith("data: "))
        assert json.loads(event.removeprefix("data: ")) == {"data": {"systemStats": {"__typename": "SystemStats"}}}


def test_a_streamed_query_is_refused_if_only_trusted_documents_are_allowed(api: str, trusted_only: bool) -> None:
    response = httpx.post(api, json={"query": "{ __typename }"}, headers={"Accept": "text/event-stream"})
    assert ("TRUSTED_DOCUMENT_REQUIRED" in response.text) is trusted_only


async def test_a_websocket_accepts_identifiers(api: str, trusted_only: bool) -> None:
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(api.replace("http", "ws", 1), subprotocols=protocols) as socket:

        async def subscribe(payload: dict[str, Any], operation_id: str) -> Any:
            await socket.send(json.dumps({"type": "subscribe", "id": operation_id, "payload": payload}))
            while (response := json.loads(await asyncio.wait_for(socket.recv(), 10))).get("id") != operation_id:
                pass
            return response

        await socket.send('{"type": "connection_init"}')
        assert (await subscribe(KNOWN, "1"))["payload"] == DATA
        assert (await subscribe(UNKNOWN, "2"))["payload"][0]["extensions"]["code"] == "PERSISTED_DOCUMENT_NOT_FOUND"
        refused = await subscribe({"query": "{ __typename }"}, "3")
        assert refused["type"] == ("error" if trusted_only else "next")


def test_graphiql_is_served_unless_only_trusted_documents_are_allowed(api: str, trusted_only: bool) -> None:
    assert httpx.get(api, headers={"Accept": "text/html"}).status_code == (404 if trusted_only else 200)


@pytest.mark.parametrize("content", ["[]", '{"x": "{ a }"}', '{"sha256:00": "{ a }"}', '{"x": 1}', "{"])
def test_an_invalid_manifest_is_an_error_at_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "documents.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"must contain|has identifier|unexpected"):
        PersistedDocuments.load(file, only=False)


def test_a_manifest_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "documents.json"
    file.write_text(json.dumps(MANIFEST), encoding="utf-8-sig")
    assert PersistedDocuments.load(file, only=False).resolve(None, identifier(QUERY)) == QUERY


def test_the_manifest_in_the_documentation_is_valid(tmp_path: Path) -> None:
    [example] = re.findall(r"```json\n(.*?)```", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "documents.json"
    file.write_text(example)
    [document] = json.loads(example).values()
    trusted = PersistedDocuments.load(file, only=True)
    assert trusted.resolve(None, identifier(document)) == document
