"""POST /generate and GET /status: compatibility with the earlier API, and the additions to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import redis

from tests.programs import paused
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import System

TEN = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url, timeout=40) as client:
        yield client


def generate(client: httpx.Client, n: int = 10) -> str:
    request_id: str = client.post("/generate", params={"n": n}).raise_for_status().json()["request_id"]
    return request_id


def completed_status(client: httpx.Client, request_id: str) -> httpx.Response:
    return client.get(f"/status/{request_id}", headers={"Prefer": "wait=30"}).raise_for_status()


def is_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert len(body["detail"]) < 300
    return body


@pytest.mark.parametrize(
    "request_",
    [{"params": {"n": "10"}}, {"json": {"n": 10}}, {"json": {"n": 10.0}}, {"content": b'\xef\xbb\xbf{"n": 10}'}],
    ids=str,
)
def test_a_client_of_the_earlier_api_works_unchanged(client: httpx.Client, request_: dict[str, Any]) -> None:
    accepted = client.post("/generate", **request_)
    assert accepted.status_code == 200
    request_id = accepted.json()["request_id"]
    assert accepted.json() == {"request_id": str(uuid.UUID(request_id))}
    wait_until(lambda: client.get(f"/status/{request_id}").json()["status"] == "complete")
    assert client.get(f"/status/{request_id}").json() == {"status": "complete", "result": TEN}


def test_status_lists_up_to_1048576_primes(client: httpx.Client) -> None:
    found = completed_status(client, generate(client, 1_048_576)).json()["result"]
    assert (len(found), found[0], found[-1]) == (1_048_576, 2, 16_290_047)
    assert found == sorted(found)


def test_status_has_the_files_of_a_longer_result(client: httpx.Client) -> None:
    request_id = generate(client, 1_048_577)
    response = completed_status(client, request_id).json()
    names = {form: f"/jobs/{request_id}/primes.{form}" for form in ("parquet", "csv", "ndjson")}
    assert response == {"status": "complete", "result": None, "downloads": names}
    assert client.head(names["parquet"]).raise_for_status().headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("n", ["0", "-1", "100000001", "2147483648", "9" * 19, "9" * 5000, "1.5", "", " ", "true", "٣"])
def test_an_invalid_n_in_the_query_string_is_400(client: httpx.Client, n: str) -> None:
    problem = is_problem(client.post("/generate", params={"n": n}), 400)
    assert problem["detail"].startswith("n is ")


@pytest.mark.parametrize(
    "body",
    [
        '{"n": 0}', '{"n": -1}', '{"n": 2147483648}', '{"n": 1.5}', '{"n": "10"}', '{"n": true}', '{"n": null}',
        '{"n": []}',
        '{"n": 1e400}', '{"n": NaN}', "{}", "null", "1", "[]", '"x"', "{", "\xff", '{"n": ' + "9" * 3000 + "}",
        "[" * 2000, '{"n": 10, "x": "' + "y" * 5000 + '"}',
    ],
    ids=lambda body: body[:20],
)  # fmt: skip
def test_an_invalid_body_is_400(client: httpx.Client, body: str) -> None:
    response = client.post("/generate", content=body.encode("latin-1"), headers={"Content-Type": "application/json"})
    assert is_problem(response, 400)["detail"]


def test_a_missing_n_is_400_with_an_example(client: httpx.Client) -> None:
    assert is_problem(client.post("/generate"), 400)["detail"] == 'n is missing: send ?n=10 or {"n": 10}'


def test_different_values_of_n_are_400(client: httpx.Client) -> None:
    for other in ({"params": {"n": ["10", "11"]}}, {"params": {"n": "10"}, "json": {"n": 11}}):
        assert is_problem(client.post("/generate", **other), 400)["detail"] == "n has 2 different values, must have one"
    # Swagger UI sends its examples in both places.
    assert client.post("/generate", params={"n": "10"}, json={"n": 10}).is_success


@pytest.mark.parametrize(
    "request_id", ["01945b7e-1c2d-7abc-8def-0123456789ab", "x", "y" * 10_000, "%00", "..%2f..", "*"]
)
def test_an_unknown_id_is_404(client: httpx.Client, request_id: str) -> None:
    is_problem(client.get(f"/status/{request_id}"), 404)


def test_a_wrong_method_is_405_with_the_allowed_one(client: httpx.Client) -> None:
    response = client.get("/generate")
    is_problem(response, 405)
    assert response.headers["allow"] == "POST"


def test_location_is_the_status_url(client: httpx.Client) -> None:
    accepted = client.post("/generate", params={"n": 10})
    assert accepted.headers["location"] == f"/status/{accepted.json()['request_id']}"


def test_the_same_idempotency_key_returns_the_same_request(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = client.post("/generate", params={"n": 10}, headers=headers)
    second = client.post("/generate", params={"n": 10}, headers=headers)
    assert first.json() == second.json()
    conflict = is_problem(client.post("/generate", params={"n": 11}, headers=headers), 409)
    assert conflict["request_id"] == first.json()["request_id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
def test_an_invalid_idempotency_key_is_400(client: httpx.Client, key: str) -> None:
    response = client.post("/generate", params={"n": 10}, headers={"Idempotency-Key": key})
    assert is_problem(response, 400)["detail"].startswith("Idempotency-Key has ")


def test_a_known_version_is_304(client: httpx.Client) -> None:
    response = completed_status(client, generate(client))
    etag = response.headers["etag"]
    assert etag.strip('"').isdecimal()
    path = response.request.url.path
    for known in (etag, f'"0", {etag}', f"W/{etag}", "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get(path, headers={"If-None-Match": '"0"'}).status_code == 200


def test_a_preferred_wait_is_applied(client: httpx.Client) -> None:
    response = completed_status(client, generate(client, 1_000_000))
    assert response.json()["status"] == "complete"
    assert response.headers["preference-applied"] == "wait=30"
    assert "retry-after" not in response.headers


def test_a_cancelled_request_has_status_cancelled(system: System, client: httpx.Client) -> None:
    with paused(system.worker):
        request_id = generate(client)
        pending = client.get(f"/status/{request_id}")
        assert pending.json() == {"status": "pending", "result": None}
        assert pending.headers["retry-after"] == "1"
        mutation = {"query": f'mutation {{ cancelJob(id: "{request_id}") {{ __typename }} }}'}
        assert client.post("/graphql", json=mutation).json()["data"]["cancelJob"]["__typename"] == "CancelJobAccepted"
    assert client.get(f"/status/{request_id}").json() == {"status": "cancelled", "result": None}


def test_expired_primes_are_410_and_the_request_is_still_known(system: System, client: httpx.Client) -> None:
    request_id = generate(client)
    completed_status(client, request_id)
    key = f"{system.prefix}job:{request_id}"
    with redis.Redis.from_url(system.valkey.url) as store:
        # As after a day: the record has an expiry time in the past, and the result is deleted.
        store.hset(key, "result_expires_at", 1)
        store.delete(f"{key}:result")
    assert "expired" in is_problem(client.get(f"/status/{request_id}"), 410)["detail"]


def test_the_openapi_document_has_every_response(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert sorted(document["paths"]["/generate"]["post"]["responses"]) == ["200", "400", "409", "429", "503", "default"]
    assert sorted(document["paths"]["/status/{request_id}"]["get"]["responses"]) == [
        "200",
        "304",
        "404",
        "410",
        "412",
        "503",
        "default",
    ]
    assert "422" not in str(document["paths"])
