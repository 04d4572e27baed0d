"""Downloads, opened as other programs open them."""

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


def unpack_zstd(data: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        found: bytes = stream.read()
        return found


# Whole


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


@pytest.mark.parametrize("form", FORMS)
def test_a_file_has_a_name_a_type_and_an_etag(system: System, job_id: str, form: str) -> None:
    answer = download(system, job_id, form)
    assert answer.headers["content-disposition"] == f'attachment; filename="primes-{job_id}.{form}"'
    again = download(system, job_id, form, **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


# In part


@pytest.mark.parametrize("form", FORMS)
def test_the_size_is_told_before_the_file_is_read(system: System, job_id: str, form: str) -> None:
    whole = download(system, job_id, form, **PLAIN)
    assert int(whole.headers["content-length"]) == len(whole.content)
    head = httpx.head(f"{system.url}/jobs/{job_id}/primes.{form}", headers=PLAIN, timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "content-disposition", "etag", "accept-ranges"):
        assert head.headers[name] == whole.headers[name], name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("part", "slice_"), [("0-0", slice(0, 1)), ("1000-", slice(1000, None)), ("-9", slice(-9, None))]
)
def test_a_part_is_that_part_of_the_whole(system: System, job_id: str, form: str, part: str, slice_: slice) -> None:
    whole = download(system, job_id, form, **PLAIN)
    answer = download(system, job_id, form, Range=f"bytes={part}")
    assert (answer.status_code, answer.content) == (206, whole.content[slice_])
    assert answer.headers["content-length"] == str(len(answer.content))
    start = range(len(whole.content))[slice_][0]
    end = start + len(answer.content) - 1
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(whole.content)}"
    assert answer.headers["etag"] == whole.headers["etag"]


def test_a_part_is_no_matter_where_only_the_headers_are_wanted(system: System, job_id: str) -> None:
    url = f"{system.url}/jobs/{job_id}/primes.csv"
    plain = httpx.head(url, headers=PLAIN, timeout=30)
    for part in ("bytes=5-9", "bytes=999999999-"):
        head = httpx.head(url, headers=PLAIN | {"Range": part}, timeout=30)
        assert (head.status_code, head.headers["content-length"]) == (200, plain.headers["content-length"])
        assert "content-range" not in head.headers


def test_a_part_beyond_the_end_is_refused_with_the_size(system: System, job_id: str) -> None:
    answer = download(system, job_id, "csv", Range="bytes=999999999-")
    size = download(system, job_id, "csv", **PLAIN).headers["content-length"]
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_part_of_another_file_is_answered_with_the_whole(system: System, job_id: str) -> None:
    etag = download(system, job_id, "csv", **PLAIN).headers["etag"]
    asked = {"Range": "bytes=5-9"} | PLAIN
    assert download(system, job_id, "csv", **asked, **{"If-Range": etag}).status_code == 206
    assert download(system, job_id, "csv", **asked, **{"If-Range": '"another"'}).status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("form", FORMS)
def test_curl_goes_on_where_it_broke_off(system: System, job_id: str, form: str, tmp_path: Path) -> None:
    whole = download(system, job_id, form, **PLAIN).content
    file = tmp_path / f"primes.{form}"
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:cut])
        url = f"{system.url}/jobs/{job_id}/primes.{form}"
        subprocess.run(
            ["curl", "--silent", "--fail", "--continue-at", "-", "--output", file, url], check=True, timeout=30
        )
        assert file.read_bytes() == whole


@pytest.mark.parametrize("coding", ["identity", "zstd"])
def test_a_client_that_goes_away_in_the_middle_is_no_error(system: System, job_id: str, coding: str) -> None:
    url = f"{system.url}/jobs/{job_id}/primes.ndjson"
    before = system.api.output().count("Traceback")
    for _ in range(3):
        with httpx.stream("GET", url, headers={"Accept-Encoding": coding}, timeout=30) as answer:
            assert next(answer.iter_raw())
    assert download(system, job_id, "csv").status_code == 200
    assert system.api.output().count("Traceback") == before


# Compressed


@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("zstd", unpack_zstd)])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_text_is_compressed_for_those_who_ask(
    system: System, job_id: str, form: str, coding: str, unpack: Callable[[bytes], bytes]
) -> None:
    plain = download(system, job_id, form, **PLAIN)
    url = f"{system.url}/jobs/{job_id}/primes.{form}"
    with httpx.stream("GET", url, headers={"Accept-Encoding": coding}, timeout=30) as answer:
        data = b"".join(answer.iter_raw())
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == (coding, "Accept-Encoding")
    assert len(data) < len(plain.content) / 2
    assert unpack(data) == plain.content
    assert answer.headers["etag"] != plain.headers["etag"]
    again = {"Accept-Encoding": coding, "If-None-Match": answer.headers["etag"]}
    assert download(system, job_id, form, **again).status_code == 304
    assert "content-length" not in httpx.head(url, headers={"Accept-Encoding": coding}, timeout=30).headers


def test_parquet_and_parts_are_sent_as_they_are(system: System, job_id: str) -> None:
    asked = {"Accept-Encoding": "gzip, zstd"}
    assert "content-encoding" not in download(system, job_id, "parquet", **asked).headers
    assert "content-encoding" not in download(system, job_id, "csv", Range="bytes=5-", **asked).headers


# Where they are, and where there are none


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
