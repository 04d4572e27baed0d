"""The request headers of a download: preconditions, ranges and encodings, each value with its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.clients import finished_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import System

Fields = list[tuple[str, str]]

# In the values, %s is the id of the job.
PLAIN = '"%s.csv"'
GZIP = '"%s.csv.gzip"'
OTHER = '"other"'
RANGE = ("Range", "bytes=2-5")

CONDITIONS: list[tuple[Fields, int]] = [
    ([("If-Match", PLAIN)], 200),
    ([("If-Match", f"{OTHER}, {PLAIN}")], 200),
    ([("If-Match", OTHER), ("If-Match", PLAIN)], 200),
    ([("If-Match", "*")], 200),
    ([("If-Match", OTHER)], 412),
    ([("If-Match", f"W/{PLAIN}")], 412),
    ([("If-Match", "%s.csv")], 412),
    ([("If-Match", "")], 412),
    ([("If-Match", GZIP)], 412),
    ([("If-Match", GZIP), ("Accept-Encoding", "gzip")], 200),
    ([("If-Match", PLAIN), ("Accept-Encoding", "gzip")], 412),
    ([("If-Match", PLAIN), RANGE], 206),
    ([("If-Match", OTHER), RANGE], 412),
    ([("If-Match", OTHER), ("Range", "bytes=999999-")], 412),
    ([("If-Match", PLAIN), ("Range", "bytes=999999-")], 416),
    ([("If-Match", PLAIN), ("If-None-Match", PLAIN)], 304),
    ([("If-Match", OTHER), ("If-None-Match", PLAIN)], 412),
    ([("If-None-Match", PLAIN), RANGE], 304),
    ([("If-None-Match", f"W/{PLAIN}")], 304),
    ([("If-None-Match", OTHER), ("If-None-Match", PLAIN)], 304),
    ([("If-None-Match", OTHER), RANGE], 206),
    ([("If-None-Match", "%s.csv")], 200),
    ([("If-None-Match", GZIP)], 200),
    ([("If-None-Match", GZIP), ("Accept-Encoding", "x-gzip")], 304),
    ([("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")], 200),
    ([("If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT")], 200),
    ([("If-Range", PLAIN), RANGE], 206),
    ([("If-Range", OTHER), RANGE], 200),
    ([("If-Range", f"W/{PLAIN}"), RANGE], 200),
    ([("If-Range", GZIP), ("Accept-Encoding", "gzip"), RANGE], 200),
    ([("If-Range", f"{PLAIN}, {OTHER}"), RANGE], 200),
    ([("If-Range", "Fri, 01 Jan 2100 00:00:00 GMT"), RANGE], 200),
    ([("If-Range", ""), RANGE], 200),
    ([("If-Range", OTHER), ("Range", "bytes=999999-")], 200),
    ([("If-Range", OTHER)], 200),
    ([("Range", "BYTES=2-5")], 206),
    ([("Range", "bytes=,2-5,")], 206),
    ([("Range", "bytes=2-5, 7-9")], 200),
    ([RANGE, ("Range", "bytes=7-9")], 200),
    ([("Range", "lines=2-5")], 200),
    ([("Range", "")], 200),
]


@pytest.fixture(scope="session")
def job_id(system: System) -> str:
    return finished_job(system, 100)


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url, timeout=30) as client:
        # httpx's own.
        del client.headers["Accept-Encoding"]
        yield client


@pytest.mark.parametrize(("fields", "status"), CONDITIONS, ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_download_has_the_status_of_its_conditions(
    client: httpx.Client, job_id: str, method: str, fields: Fields, status: int
) -> None:
    headers = [(name, value.replace("%s", job_id)) for name, value in fields]
    response = client.request(method, f"/jobs/{job_id}/primes.csv", headers=headers)
    if method == "HEAD" and status in {206, 416}:
        # A range is of GET only.
        status = 200
    assert response.status_code == status
    assert response.headers.get("vary") == (None if status == 416 else "Accept-Encoding")
    if status == 206:
        assert response.text == "ime\n"
    if status in {304, 412}:
        assert response.headers["etag"] in {PLAIN.replace("%s", job_id), GZIP.replace("%s", job_id)}
        assert "content-encoding" not in response.headers
    if status == 412 and method == "GET":
        assert "If-Match" in response.json()["detail"]


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        ([], None),
        ([""], None),
        (["gzip"], "gzip"),
        (["identity", "gzip"], "gzip"),
        (["gzip;q=0", "zstd;q=0.1"], "zstd"),
        (["gzip;q=0.5, *;q=0"], "gzip"),
        (["*;q=0"], None),
    ],
)
def test_a_download_has_the_accepted_encoding(
    client: httpx.Client, job_id: str, lines: list[str], encoding: str | None
) -> None:
    headers = [("Accept-Encoding", line) for line in lines]
    with client.stream("GET", f"/jobs/{job_id}/primes.csv", headers=headers) as response:
        assert response.headers.get("content-encoding") == encoding


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "gzip"}, {"Range": "bytes=2-5"}], ids=str)
def test_no_proxy_buffers_or_changes_a_download(client: httpx.Client, job_id: str, headers: dict[str, str]) -> None:
    response = client.get(f"/jobs/{job_id}/primes.csv", headers=headers)
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable, no-transform"
