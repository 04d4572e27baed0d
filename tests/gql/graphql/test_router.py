"""GraphQL over HTTP: media types, status codes, and well-formed errors for malformed requests."""

from __future__ import annotations

import gzip
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests import in_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import System
    from tests.programs import Valkey

STRICT = "application/graphql-response+json"
JSON = "application/json"
VALID_QUERY = {"query": "{ limits { maxCount } }"}


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url, timeout=20) as client:
        yield client


def send(client: httpx.Client, content: bytes, **headers: str) -> httpx.Response:
    return client.post("/graphql", content=content, headers={"Content-Type": JSON, **headers})


def single_error(response: httpx.Response, status: int) -> dict[str, Any]:
    """The only error of a refused request."""
    assert response.status_code == status, response.text
    body = response.json()
    assert "data" not in body
    [error] = body["errors"]
    assert 0 < len(error["message"]) < 300
    found: dict[str, Any] = error
    return found


@pytest.mark.parametrize("accept", [STRICT, JSON, "*/*", f"{JSON}, {STRICT}"])
def test_a_response_has_the_accepted_media_type(client: httpx.Client, accept: str) -> None:
    response = client.post("/graphql", json=VALID_QUERY, headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"] == (STRICT if STRICT in accept else JSON)
    assert response.json() == {"data": {"limits": {"maxCount": 100_000_000}}}


@pytest.mark.parametrize("query", ["{", "{ nothing }", "query ($n: Int!) { job(id: 1, waitMs: $n) { id } }", ""])
def test_a_request_error_is_400_or_200_by_media_type(client: httpx.Client, query: str) -> None:
    legacy = client.post("/graphql", json={"query": query}, headers={"Accept": JSON})
    strict = client.post("/graphql", json={"query": query}, headers={"Accept": STRICT})
    single_error(legacy, 200 if query else 400)
    single_error(strict, 400)


def test_a_field_error_is_200_with_data_in_both_media_types(client: httpx.Client) -> None:
    for accept in (JSON, STRICT):
        response = client.post(
            "/graphql", json={"query": "{ job(id: 1, waitMs: -1) { id } }"}, headers={"Accept": accept}
        )
        assert response.status_code == 200
        assert response.json()["data"] == {"job": None}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"true", b"1", b'"x"', b"{", b"\xff\xfe", b'{"query": "\xff"}', b"[" * 100_000,
        b'{"a":' * 50_000, b'{"query": ' + b"9" * 5000 + b"}", b"[]", b"[1]", b'[{"query": "{ a }"}]', b"{}",
        b'{"query": null}', b'{"query": 1}', b'{"query": "{ a }", "variables": []}',
        b'{"query": "{ a }", "extensions": 1}', b'{"query": "{ a }", "operationName": {}}',
        b'{"query": "{ a }", "variables": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=lambda body: body[:30].decode(errors="replace"),
)  # fmt: skip
def test_a_malformed_body_is_400_with_a_graphql_error(client: httpx.Client, body: bytes) -> None:
    for accept in (JSON, STRICT, "text/event-stream"):
        error = single_error(send(client, body, Accept=accept), 400)
        assert error["extensions"] == {"code": "BAD_REQUEST"}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_media_types_of_html_forms_are_the_error(client: httpx.Client, content_type: str) -> None:
    response = client.post("/graphql", content=json.dumps(VALID_QUERY), headers={"Content-Type": content_type})
    assert single_error(response, 415)["extensions"] == {"code": "UNSUPPORTED_MEDIA_TYPE"}


@pytest.mark.parametrize(("charset", "status"), [("utf-8", 200), ('"UTF-8"', 200), ("utf-16", 415), ("latin-1", 415)])
def test_a_charset_other_than_utf_8_is_415(client: httpx.Client, charset: str, status: int) -> None:
    headers = {"Content-Type": f"{JSON}; charset={charset}"}
    response = client.post("/graphql", content=json.dumps(VALID_QUERY), headers=headers)
    assert response.status_code == status
    if status != 200:
        assert single_error(response, 415)["extensions"] == {"code": "UNSUPPORTED_MEDIA_TYPE"}


def test_a_compressed_body_is_the_error(client: httpx.Client) -> None:
    response = send(client, gzip.compress(json.dumps(VALID_QUERY).encode()), **{"Content-Encoding": "gzip"})
    assert response.status_code == 415


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/graphql", "/generate"])
def test_a_body_above_the_limit_is_413(client: httpx.Client, chunked: bool, path: str) -> None:
    body = b'{"query": "' + b" " * 300_000 + b'"}'
    content = (part for part in (body[:200_000], body[200_000:])) if chunked else body
    response = client.post(path, content=content, headers={"Content-Type": JSON})
    # POST /generate stops reading far below the limit.
    assert response.status_code == (400 if chunked and path == "/generate" else 413)


@pytest.mark.parametrize("query", ["{ limits { maxCount } }", 'mutation { cancelJob(id: "x") { __typename } }'])
@pytest.mark.parametrize("accept", [JSON, "text/event-stream"])
def test_queries_and_mutations_by_get_are_405(client: httpx.Client, query: str, accept: str) -> None:
    response = client.get("/graphql", params={"query": query}, headers={"Accept": accept})
    single_error(response, 405)
    assert response.headers["allow"] == "POST"


@pytest.fixture(scope="module")
def by_get(valkey: Valkey) -> Iterator[str]:
    """The GraphQL endpoint of an API that allows queries by GET."""
    with in_process.api(valkey.url, "by-get:", QUERIES_BY_GET="true") as url:
        yield f"{url}/graphql"


@pytest.mark.parametrize("accept", [JSON, STRICT, f"{JSON}, text/event-stream;q=0.1"])
def test_a_query_by_get_is_executed_if_the_setting_allows_it(by_get: str, accept: str) -> None:
    parameters = {
        "query": "query Known($id: ID!) { job(id: $id) { id } } query Other { limits { maxCount } }",
        "operationName": "Known",
        "variables": '{"id": "none"}',
    }
    response = httpx.get(by_get, params=parameters, headers={"Accept": accept})
    assert (response.status_code, response.json()) == (200, {"data": {"job": None}})


def test_a_mutation_by_get_is_405_even_if_queries_are_allowed(by_get: str) -> None:
    mutation = "mutation { generatePrimes(input: {count: 1}) { __typename } }"
    for accept in (JSON, STRICT, "text/event-stream"):
        response = httpx.get(by_get, params={"query": mutation}, headers={"Accept": accept})
        single_error(response, 405)
        assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("accept", [JSON, "text/event-stream"])
def test_the_name_decides_which_of_several_operations_get_may_not_execute(client: httpx.Client, accept: str) -> None:
    parameters = {"query": "query A { limits { maxCount } } query B { limits { maxCount } }"}
    response = client.get("/graphql", params=parameters, headers={"Accept": accept})
    assert "send operationName" in single_error(response, 400)["message"]
    response = client.get("/graphql", params=parameters | {"operationName": "A"}, headers={"Accept": accept})
    assert single_error(response, 405)["message"] == "a query by GET is not allowed: use POST"


def test_a_subscription_without_a_stream_is_406_with_the_accepted_types(client: httpx.Client) -> None:
    response = client.post("/graphql", json={"query": "subscription { systemStats { at } }"})
    assert "text/event-stream" in single_error(response, 406)["message"]


def test_a_browser_gets_graphiql_with_a_content_security_policy(client: httpx.Client) -> None:
    response = client.get("/graphql", headers={"Accept": "text/html"})
    assert response.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in response.headers["content-security-policy"]


def test_a_disconnect_during_a_request_is_not_logged_as_an_error(
    valkey: Valkey, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    with in_process.api(valkey.url, prefix) as url:
        host = urlsplit(url).netloc
        for path in ("/graphql", "/generate"):
            head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {JSON}\r\nContent-Length: 100\r\n\r\n"
            with socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0), 10) as connection:
                connection.sendall(head.encode() + b'{"query"')
                # This request comes later, so the server has started to read the first one.
                assert httpx.get(f"{url}/livez").is_success
        assert httpx.get(f"{url}/livez").is_success
    assert "GET /livez" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("lines", "is_page"),
    [
        (["Text/HTML"], True),
        (["application/xhtml+xml, text/html;q=0.1"], True),
        (["application/json", "text/*"], True),
        (["*; q=.2, */*; q=.2"], True),
        ([""], True),
        (["application/json"], False),
        (["text/html;q=0, */*"], False),
        (["text/htmlx"], False),
        (['application/json;x="text/html"'], False),
    ],
    ids=str,
)
def test_graphiql_is_for_those_who_accept_html(client: httpx.Client, lines: list[str], is_page: bool) -> None:
    response = client.get("/graphql", headers=[("Accept", line) for line in lines])
    assert response.headers["content-type"].startswith("text/html") is is_page
    assert response.status_code == (200 if is_page else 400)
    assert response.headers["vary"] == "Accept"
