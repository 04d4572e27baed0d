"""Behind a path prefix, every address that the API writes has it, whether the proxy removes it from requests or not."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from gql import explorer
from tests import in_process
from tests.clients import finished_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import System

REFERENCES = re.compile(r"""(?:href|src)=["']([^"'#]+)["']""")
DOWNLOADS = "query ($id: ID!) { job(id: $id) { result { downloads { url } } } }"
FOLLOW = "subscription ($id: ID!) { jobUpdates(id: $id) { ... on JobUpdate { job { result { downloads { url } } } } } }"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def api(system: System) -> Iterator[str]:
    """The address of an API of the system with a prefix."""
    with in_process.api(system.valkey.url, system.prefix, RESULTS_URL=system.results_url, ROOT_PATH="/primes") as url:
        yield url


@pytest.fixture(params=["removed", "left"])
def client(api: str, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Sends requests as a proxy forwards them, for paths that start with the prefix."""

    def forward(outgoing: httpx.Request) -> None:
        path = outgoing.url.raw_path.decode()
        assert re.match(r"/primes(/|\?|$)", path), path
        if request.param == "removed":
            outgoing.url = outgoing.url.copy_with(raw_path=(path.removeprefix("/primes") or "/").encode())

    # httpx would join the base and a path; here each path is one on the origin.
    with httpx.Client(event_hooks={"request": [forward]}, timeout=40) as client:
        client.base_url = httpx.URL(api)
        yield client


@pytest.fixture
def job_id(system: System) -> str:
    return finished_job(system, 10)


def expected(job_id: str) -> list[str]:
    return [f"/primes/jobs/{job_id}/primes.{form}" for form in ("parquet", "csv", "ndjson")]


def urls(data: Any) -> list[str]:
    return [download["url"] for download in data["job"]["result"]["downloads"]]


@pytest.mark.parametrize("page", ["/primes/", "/primes", "/primes/docs", "/primes/graphql"])
def test_everything_a_page_refers_to_is_found(client: httpx.Client, page: str) -> None:
    answer = client.get(page, headers=HTML)
    assert answer.status_code == 200
    references = [reference for reference in REFERENCES.findall(answer.text) if "://" not in reference]
    assert references
    # The first one may be the base of the others.
    base = references.pop(0) if "<base" in answer.text else page
    for reference in references:
        address = httpx.URL(f"http://proxy{base}").join(reference)
        assert client.get(address.raw_path.decode(), headers=HTML).status_code == 200, reference


def test_front_page_and_documentation_have_the_prefix(
    client: httpx.Client, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "page", lambda *_: None)  # without the console
    assert f"{api}/primes/generate?n=10" in client.get("/primes/").text
    document = client.get("/primes/openapi.json").json()
    assert document["servers"] == [{"url": "/primes"}]
    # Relative to the page that shows it.
    assert "[/graphql](graphql)" in document["info"]["description"]


def test_redirects_keep_the_prefix(client: httpx.Client, api: str) -> None:
    answer = client.get("/primes/docs/")
    assert (answer.status_code, answer.headers["location"]) == (307, f"{api}/primes/docs")


def test_submission_and_status_have_the_prefix(
    client: httpx.Client, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = client.post("/primes/generate?n=10")
    location = submitted.headers["location"]
    assert location == f"/primes/status/{submitted.json()['request_id']}"
    assert client.get(location).is_success
    monkeypatch.setattr("gql.rest.jobs.MAX_LISTED_PRIMES", 5)
    downloads = client.get(f"/primes/status/{job_id}").json()["downloads"]
    assert list(downloads.values()) == expected(job_id)
    assert all(client.get(address).is_success for address in downloads.values())


# The fast path leaves long headers to the router.
@pytest.mark.parametrize("accept", ["application/json", "application/json" + ",a/b" * 60], ids=["fast path", "router"])
def test_downloads_over_graphql_have_the_prefix(client: httpx.Client, job_id: str, accept: str) -> None:
    body = {"query": DOWNLOADS, "variables": {"id": job_id}}
    answer = client.post("/primes/graphql", json=body, headers={"Accept": accept})
    assert urls(answer.json()["data"]) == expected(job_id)


def test_downloads_over_streams_have_the_prefix(client: httpx.Client, job_id: str) -> None:
    body = {"query": FOLLOW, "variables": {"id": job_id}}
    for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
        text = client.post("/primes/graphql", json=body, headers={"Accept": accept}).text
        assert all(f'"{address}"' in text for address in expected(job_id)), accept


@pytest.mark.parametrize("path", ["/graphql", "/primes/graphql"])
async def test_downloads_over_a_websocket_have_the_prefix(api: str, job_id: str, path: str) -> None:
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(f"{api.replace('http', 'ws', 1)}{path}", subprotocols=protocols) as socket:
        payload = {"query": FOLLOW, "variables": {"id": job_id}}
        for message in ({"type": "connection_init"}, {"type": "subscribe", "id": "1", "payload": payload}):
            await socket.send(json.dumps(message))
        messages = [json.loads(await asyncio.wait_for(socket.recv(), 10)) for _ in range(2)]
    assert urls(messages[1]["payload"]["data"]["jobUpdates"]) == expected(job_id)
