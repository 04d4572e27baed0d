"""Downloads, read with other programs and libraries."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis

from tests.clients import data, finished_job
from tests.programs import paused
from tests.verification import documented_checksum

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import System

COUNT = 200_000
LAST = 2_750_159
FORMS = ["parquet", "csv", "ndjson"]
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="session")
def job_id(system: System) -> str:
    return finished_job(system, COUNT)


def download(system: System, job_id: str, form: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{system.url}/jobs/{job_id}/primes.{form}", headers=headers, timeout=30)


def decompress_zstd(data: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        found: bytes = stream.read()
        return found


# Whole files


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


@pytest.mark.parametrize("form", FORMS)
def test_checksum_can_be_verified_from_each_format(system: System, job_id: str, form: str, tmp_path: Path) -> None:
    file = tmp_path / f"primes.{form}"
    file.write_bytes(download(system, job_id, form).content)
    job = data(system, "query ($id: ID!) { job(id: $id) { result { sha256 } } }", id=job_id)["job"]
    assert documented_checksum(file) == job["result"]["sha256"]


def test_an_ndjson_file_has_one_object_a_line(system: System, job_id: str) -> None:
    lines = download(system, job_id, "ndjson").text.splitlines()
    assert len(lines) == COUNT
    assert (json.loads(lines[0]), json.loads(lines[-1])) == ({"prime": 2}, {"prime": LAST})


@pytest.mark.parametrize("form", FORMS)
def test_a_file_has_a_name_and_an_etag(system: System, job_id: str, form: str) -> None:
    response = download(system, job_id, form)
    assert response.headers["content-disposition"] == f'attachment; filename="primes-{job_id}.{form}"'
    conditional = download(system, job_id, form, **{"If-None-Match": response.headers["etag"]})
    assert (conditional.status_code, conditional.content) == (304, b"")


# Ranges


@pytest.mark.parametrize("form", FORMS)
def test_head_returns_the_size_of_the_file(system: System, job_id: str, form: str) -> None:
    whole = download(system, job_id, form, **PLAIN)
    assert int(whole.headers["content-length"]) == len(whole.content)
    head = httpx.head(f"{system.url}/jobs/{job_id}/primes.{form}", headers=PLAIN, timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "content-disposition", "etag", "accept-ranges"):
        assert head.headers[name] == whole.headers[name], name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("range_", "slice_"), [("0-0", slice(0, 1)), ("1000-", slice(1000, None)), ("-9", slice(-9, None))]
)
def test_a_range_equals_that_slice_of_the_file(
    system: System, job_id: str, form: str, range_: str, slice_: slice
) -> None:
    whole = download(system, job_id, form, **PLAIN)
    response = download(system, job_id, form, Range=f"bytes={range_}")
    assert (response.status_code, response.content) == (206, whole.content[slice_])
    assert response.headers["content-length"] == str(len(response.content))
    start = range(len(whole.content))[slice_][0]
    end = start + len(response.content) - 1
    assert response.headers["content-range"] == f"bytes {start}-{end}/{len(whole.content)}"
    assert response.headers["etag"] == whole.headers["etag"]


def test_head_ignores_the_range(system: System, job_id: str) -> None:
    url = f"{system.url}/jobs/{job_id}/primes.csv"
    plain = httpx.head(url, headers=PLAIN, timeout=30)
    for range_ in ("bytes=5-9", "bytes=999999999-"):
        head = httpx.head(url, headers=PLAIN | {"Range": range_}, timeout=30)
        assert (head.status_code, head.headers["content-length"]) == (200, plain.headers["content-length"])
        assert "content-range" not in head.headers


def test_a_range_beyond_the_end_is_416_with_the_size(system: System, job_id: str) -> None:
    response = download(system, job_id, "csv", Range="bytes=999999999-")
    size = download(system, job_id, "csv", **PLAIN).headers["content-length"]
    assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{size}")
    assert response.headers["content-type"] == "application/problem+json"


def test_if_range_with_another_etag_returns_the_whole_file(system: System, job_id: str) -> None:
    etag = download(system, job_id, "csv", **PLAIN).headers["etag"]
    headers = {"Range": "bytes=5-9"} | PLAIN
    assert download(system, job_id, "csv", **headers, **{"If-Range": etag}).status_code == 206
    assert download(system, job_id, "csv", **headers, **{"If-Range": '"another"'}).status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("form", FORMS)
def test_curl_resumes_a_partial_download(system: System, job_id: str, form: str, tmp_path: Path) -> None:
    whole = download(system, job_id, form, **PLAIN).content
    file = tmp_path / f"primes.{form}"
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:cut])
        url = f"{system.url}/jobs/{job_id}/primes.{form}"
        subprocess.run(
            ["curl", "--silent", "--fail", "--continue-at", "-", "--output", file, url], check=True, timeout=30
        )
        assert file.read_bytes() == whole


@pytest.mark.parametrize("encoding", ["identity", "zstd"])
def test_a_disconnect_during_a_download_is_not_logged_as_an_error(
    system: System, job_id: str, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{system.url}/jobs/{job_id}/primes.ndjson"
    for _ in range(3):
        with httpx.stream("GET", url, headers={"Accept-Encoding": encoding}, timeout=30) as response:
            assert next(response.iter_raw())
    assert download(system, job_id, "csv").status_code == 200
    assert f"/jobs/{job_id}/primes.csv" in caplog.text
    assert "Traceback" not in caplog.text


# Compression


@pytest.mark.parametrize(("encoding", "decompress"), [("gzip", gzip.decompress), ("zstd", decompress_zstd)])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_text_is_compressed_with_an_accepted_encoding(
    system: System, job_id: str, form: str, encoding: str, decompress: Callable[[bytes], bytes]
) -> None:
    plain = download(system, job_id, form, **PLAIN)
    url = f"{system.url}/jobs/{job_id}/primes.{form}"
    with httpx.stream("GET", url, headers={"Accept-Encoding": encoding}, timeout=30) as response:
        data = b"".join(response.iter_raw())
    assert (response.headers["content-encoding"], response.headers["vary"]) == (encoding, "Accept-Encoding")
    assert len(data) < len(plain.content) / 2
    assert decompress(data) == plain.content
    assert response.headers["etag"] != plain.headers["etag"]
    conditional = {"Accept-Encoding": encoding, "If-None-Match": response.headers["etag"]}
    assert download(system, job_id, form, **conditional).status_code == 304
    assert "content-length" not in httpx.head(url, headers={"Accept-Encoding": encoding}, timeout=30).headers


def test_parquet_and_ranges_are_not_compressed(system: System, job_id: str) -> None:
    headers = {"Accept-Encoding": "gzip, zstd"}
    assert "content-encoding" not in download(system, job_id, "parquet", **headers).headers
    assert "content-encoding" not in download(system, job_id, "csv", Range="bytes=5-", **headers).headers


# Links and refusals


def test_a_job_has_the_urls_of_its_downloads(system: System, job_id: str) -> None:
    query = "query ($id: ID!) { job(id: $id) { result { downloads { format url contentType byteSize } } } }"
    downloads = data(system, query, id=job_id)["job"]["result"]["downloads"]
    assert [found["format"] for found in downloads] == ["PARQUET", "CSV", "NDJSON"]
    for found in downloads:
        response = httpx.get(f"{system.url}{found['url']}", timeout=30)
        assert response.headers["content-type"] == found["contentType"]


def test_a_refused_download_has_the_reason(system: System, job_id: str) -> None:
    assert download(system, "01945b7e-1c2d-7abc-8def-0123456789ab", "csv").status_code == 404
    assert download(system, "x" * 5000, "csv").status_code == 404
    assert "primes.parquet" in download(system, job_id, "xlsx").json()["detail"]
    with paused(system.worker):
        mutation = "mutation { generatePrimes(input: {count: 10}) { ... on GeneratePrimesAccepted { job { id } } } }"
        queued = data(system, mutation)["generatePrimes"]["job"]["id"]
        response = download(system, queued, "csv")
    assert (response.status_code, "is QUEUED" in response.json()["detail"]) == (409, True)


def test_expired_primes_are_410(system: System) -> None:
    expired = finished_job(system, 10)
    with redis.Redis.from_url(system.valkey.url) as store:
        store.hset(f"{system.prefix}job:{expired}", "result_expires_at", 1)
    assert download(system, expired, "csv").status_code == 410
    query = "query ($id: ID!) { job(id: $id) { result { state available downloads { url } } } }"
    result = data(system, query, id=expired)["job"]["result"]
    assert result == {"state": "EXPIRED", "available": 0, "downloads": []}
