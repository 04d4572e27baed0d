"""Trusted documents: an operation by its identifier on each transport, and nothing else where only they are allowed."""

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
from tests import programs
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


@pytest.fixture(scope="module", params=["false", "true"], ids=["also", "only"])
def mode(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "true")


@pytest.fixture(scope="module")
def api(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory, manifest: Path, mode: bool) -> Iterator[str]:
    settings: dict[str, Any] = {"TRUSTED_DOCUMENTS": str(manifest), "TRUSTED_DOCUMENTS_ONLY": str(mode)}
    with programs.api(tmp_path_factory.mktemp("trusted"), valkey.url, "trusted:", **settings) as (url, _):
        yield f"{url}/graphql"


def code(answer: httpx.Response) -> str:
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    return str(error["extensions"]["code"])


def test_a_document_is_known_by_its_identifier(api: str) -> None:
    assert httpx.post(api, json=KNOWN).json() == DATA


def test_the_documents_name_and_variables_count_as_ever(api: str) -> None:
    assert httpx.post(api, json=KNOWN | {"operationName": "Page"}).json() == DATA
    assert "errors" in httpx.post(api, json=KNOWN | {"variables": {"size": -1}}).json()


def test_an_identifier_that_is_not_known_is_refused(api: str) -> None:
    assert code(httpx.post(api, json=UNKNOWN)) == "PERSISTED_DOCUMENT_NOT_FOUND"
    assert code(httpx.post(api, json={"documentId": 1})) == "BAD_REQUEST"
    assert code(httpx.post(api, json=KNOWN | {"query": QUERY})) == "BAD_REQUEST"


def test_a_document_itself_is_refused_where_only_trusted_ones_are_allowed(api: str, mode: bool) -> None:
    for query in ("{ __typename }", QUERY):
        answer = httpx.post(api, json={"query": query, "variables": {"size": 1}})
        assert code(answer) == "TRUSTED_DOCUMENT_REQUIRED" if mode else "data" in answer.json()


def test_an_event_stream_is_asked_for_by_identifier(api: str) -> None:
    headers = {"Accept": "text/event-stream"}
    parameters = {"documentId": identifier(STATS)}
    for how in ({"method": "GET", "params": parameters}, {"method": "POST", "json": parameters}):
        with httpx.stream(url=api, headers=headers, timeout=10, **how) as answer:  # type: ignore[arg-type]
            event = next(line for line in answer.iter_lines() if line.startswith("data: "))
        assert json.loads(event.removeprefix("data: ")) == {"data": {"systemStats": {"__typename": "SystemStats"}}}


def test_a_stream_of_a_document_is_refused_likewise(api: str, mode: bool) -> None:
    answer = httpx.post(api, json={"query": "{ __typename }"}, headers={"Accept": "text/event-stream"})
    assert ("TRUSTED_DOCUMENT_REQUIRED" in answer.text) is mode


async def test_a_websocket_takes_identifiers_too(api: str, mode: bool) -> None:
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(api.replace("http", "ws", 1), subprotocols=protocols) as socket:

        async def ask(payload: dict[str, Any], number: str) -> Any:
            await socket.send(json.dumps({"type": "subscribe", "id": number, "payload": payload}))
            while (answer := json.loads(await asyncio.wait_for(socket.recv(), 10))).get("id") != number:
                pass
            return answer

        await socket.send('{"type": "connection_init"}')
        assert (await ask(KNOWN, "1"))["payload"] == DATA
        assert (await ask(UNKNOWN, "2"))["payload"][0]["extensions"]["code"] == "PERSISTED_DOCUMENT_NOT_FOUND"
        refused = await ask({"query": "{ __typename }"}, "3")
        assert refused["type"] == ("error" if mode else "next")


def test_there_is_an_explorer_unless_it_could_ask_nothing(api: str, mode: bool) -> None:
    assert httpx.get(api, headers={"Accept": "text/html"}).status_code == (404 if mode else 200)


@pytest.mark.parametrize("content", ["[]", '{"x": "{ a }"}', '{"sha256:00": "{ a }"}', '{"x": 1}', "{"])
def test_a_file_that_is_no_manifest_stops_the_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "documents.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"must contain|has identifier|unexpected"):
        PersistedDocuments.load(file, only=False)


def test_the_manifest_in_the_manual_is_one(tmp_path: Path) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "documents.json"
    file.write_text(shown)
    [document] = json.loads(shown).values()
    trusted = PersistedDocuments.load(file, only=True)
    assert trusted.resolve({"documentId": identifier(document)}) == {"query": document}
