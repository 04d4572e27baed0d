"""Downloads, opened as other programs open them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import httpx
import pyarrow.parquet as pq
import pytest
import redis

from tests.clients import data, finished_job
from tests.programs import paused

if TYPE_CHECKING:
    from tests.conftest import System

COUNT = 200_000
LAST = 2_750_159


@pytest.fixture(scope="session")
def job_id(system: System) -> str:
    return finished_job(system, COUNT)


def download(system: System, job_id: str, form: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{system.url}/jobs/{job_id}/primes.{form}", headers=headers, timeout=30)


def test_a_parquet_file_has_the_primes_in_one_column(system: System, job_id: str) -> None:
    file = pq.ParquetFile(io.BytesIO(download(system, job_id, "parquet").content))
    assert file.metadata.num_rows == COUNT
    assert file.metadata.num_row_groups > 1
    primes = file.read().column("prime").to_pylist()
    assert (primes[:4], primes[-1]) == ([2, 3, 5, 7], LAST)


def test_a_csv_file_has_a_header_and_the_primes(system: System, job_id: str) -> None:
    rows = list(csv.DictReader(io.StringIO(download(system, job_id, "csv").text)))
    assert len(rows) == COUNT
    assert (rows[0], rows[-1]) == ({"prime": "2"}, {"prime": str(LAST)})


def test_an_ndjson_file_has_one_object_a_line(system: System, job_id: str) -> None:
    lines = download(system, job_id, "ndjson").text.splitlines()
    assert len(lines) == COUNT
    assert (json.loads(lines[0]), json.loads(lines[-1])) == ({"prime": 2}, {"prime": LAST})


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
def test_a_file_has_a_name_a_type_and_an_etag(system: System, job_id: str, form: str) -> None:
    answer = download(system, job_id, form)
    assert answer.headers["content-disposition"] == f'attachment; filename="primes-{job_id}.{form}"'
    again = download(system, job_id, form, **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_job_says_where_its_files_are(system: System, job_id: str) -> None:
    query = "query ($id: ID!) { job(id: $id) { result { downloads { format url contentType byteSize } } } }"
    downloads = data(system, query, id=job_id)["job"]["result"]["downloads"]
    assert [found["format"] for found in downloads] == ["PARQUET", "CSV", "NDJSON"]
    for found in downloads:
        answer = httpx.get(f"{system.url}{found['url']}", timeout=30)
        assert answer.headers["content-type"] == found["contentType"]


def test_what_cannot_be_downloaded_says_why(system: System, job_id: str) -> None:
    assert download(system, "01945b7e-1c2d-7abc-8def-0123456789ab", "csv").status_code == 404
    assert download(system, "x" * 5000, "csv").status_code == 404
    assert "primes.parquet" in download(system, job_id, "xlsx").json()["detail"]
    with paused(system.worker):
        mutation = "mutation { generatePrimes(input: {count: 10}) { ... on GeneratePrimesAccepted { job { id } } } }"
        queued = data(system, mutation)["generatePrimes"]["job"]["id"]
        answer = download(system, queued, "csv")
    assert (answer.status_code, "is QUEUED" in answer.json()["detail"]) == (409, True)


def test_expired_primes_are_gone(system: System) -> None:
    expired = finished_job(system, 10)
    with redis.Redis.from_url(system.valkey.url) as store:
        store.hset(f"{system.prefix}job:{expired}", "result_expires_at", 1)
    assert download(system, expired, "csv").status_code == 410
    query = "query ($id: ID!) { job(id: $id) { result { state available downloads { url } } } }"
    result = data(system, query, id=expired)["job"]["result"]
    assert result == {"state": "EXPIRED", "available": 0, "downloads": []}
