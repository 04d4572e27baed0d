"""The request headers of /generate and /status, each value with its effect."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import System

WAITED = "wait=30"


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url, timeout=40) as client:
        yield client


@pytest.fixture(scope="module")
def status(client: httpx.Client) -> httpx.Response:
    """The status of a finished request."""
    request_id = client.post("/generate", params={"n": 10}).json()["request_id"]
    return client.get(f"/status/{request_id}", headers={"Prefer": WAITED})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("If-None-Match", "%s")], 304),
        ([("If-None-Match", '"0"'), ("If-None-Match", "W/%s")], 304),
        ([("If-None-Match", "*")], 304),
        ([("If-None-Match", '"0%s')], 200),
        ([("If-None-Match", '"0", "1" "x')], 200),
        ([("If-Match", "%s")], 200),
        ([("If-Match", "*")], 200),
        ([("If-Match", '"0"'), ("If-Match", "%s")], 200),
        ([("If-Match", "W/%s")], 412),
        ([("If-Match", '"0"')], 412),
        ([("If-Match", '"0"'), ("If-None-Match", "%s")], 412),
        ([("If-Match", "%s"), ("If-None-Match", "%s")], 304),
        ([("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")], 200),
    ],
    ids=str,
)
def test_a_status_has_the_status_of_its_conditions(
    client: httpx.Client, status: httpx.Response, method: str, fields: list[tuple[str, str]], expected: int
) -> None:
    etag = status.headers["etag"]
    headers = [(name, value.replace('"0%s', f'"0{etag[1:]}').replace("%s", etag)) for name, value in fields]
    response = client.request(method, status.request.url.path, headers=headers)
    assert (response.status_code, response.headers["etag"]) == (expected, etag)
    assert response.headers["vary"] == "Prefer"
    assert bool(response.content) == (method == "GET" and expected != 304)


@pytest.mark.parametrize(
    ("lines", "applied"),
    [
        (["wait=2"], "wait=2"),
        (["WAIT=2"], "wait=2"),
        (['wait="2"'], "wait=2"),
        (["respond-async , wait = 2; x=1"], "wait=2"),
        (["respond-async", "wait=2"], "wait=2"),
        (["wait=2, wait=3"], "wait=2"),
        (["wait=2", "wait=3"], "wait=2"),
        (["wait=99999999999999999999999"], WAITED),
        (["wait=0"], "wait=0"),
        (["respond-async; wait=2"], None),
        (['x="a, wait=2"'], None),
        (["wait"], None),
        (["wait="], None),
        (["wait=-2"], None),
        (["wait=2.5"], None),
        (["wait=2s"], None),
        (["await=2"], None),
        ([""], None),
    ],
    ids=str,
)
def test_a_preference_is_applied(
    client: httpx.Client, status: httpx.Response, lines: list[str], applied: str | None
) -> None:
    response = client.get(status.request.url.path, headers=[("Prefer", line) for line in lines])
    assert response.headers.get("preference-applied") == applied


def test_several_idempotency_keys_are_none(client: httpx.Client) -> None:
    key = ("Idempotency-Key", uuid.uuid4().hex)
    assert client.post("/generate?n=10", headers=[key]).status_code == 200
    refused = client.post("/generate?n=10", headers=[key, key])
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("Idempotency-Key has ")
