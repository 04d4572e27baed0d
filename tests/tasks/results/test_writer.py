"""Segments as the worker writes them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tasks import engine
from tasks.errors import ResultStoreUnavailable
from tasks.jobs import SEGMENT_PRIMES
from tasks.results import parquet
from tasks.results.object_store import ObjectStore
from tasks.results.segments import segment_name
from tasks.results.writer import LOOP_THREAD, SegmentWriter, encode_in_background
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

JOB = "01945b7e-1c2d-7abc-8def-0123456789ab"
COUNT = 2 * SEGMENT_PRIMES + 1000
PRIMES = engine.primes_from(2, COUNT)
PARTS = [PRIMES[start : start + SEGMENT_PRIMES] for start in range(0, COUNT, SEGMENT_PRIMES)]


@pytest.fixture
def writer(tmp_path: Path) -> SegmentWriter:
    return SegmentWriter.connect(f"file://{tmp_path}")


def test_a_segment_is_one_file_of_about_one_byte_per_prime(writer: SegmentWriter, tmp_path: Path) -> None:
    data = parquet.encode(PARTS[1])
    writer.put_segment(JOB, 1, data)
    [file] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file == tmp_path / segment_name(JOB, 1)
    assert file.read_bytes() == data
    assert len(data) < SEGMENT_PRIMES


def test_two_attempts_write_identical_files(writer: SegmentWriter, tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        writer.put_segment(JOB, 0, encode_in_background(PARTS[0].copy()).result())
        contents.append((tmp_path / segment_name(JOB, 0)).read_bytes())
    assert contents[0] == contents[1]


def test_all_writers_of_a_process_share_one_event_loop(writer: SegmentWriter, tmp_path: Path) -> None:
    for number in range(3):
        other = SegmentWriter.connect(f"file://{tmp_path}/{number}")
        other.put_segment(JOB, 0, parquet.encode(PARTS[2]))
        writer.put_segment(JOB, number, parquet.encode(PARTS[2]))
    names = [thread.name for thread in threading.enumerate()]
    assert names.count(LOOP_THREAD) == 1


def test_writers_can_be_used_in_several_threads(writer: SegmentWriter, tmp_path: Path) -> None:
    """As in Celery's pool of threads."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: writer.put_segment(JOB, index, parquet.encode(PARTS[2])), range(16)))
    assert len(list(tmp_path.rglob("*.parquet"))) == 16


def test_segment_names_sort_by_index() -> None:
    names = [segment_name(JOB, index) for index in range(2000)]
    assert sorted(names) == names


def test_a_failed_write_raises_result_store_unavailable(writer: SegmentWriter, tmp_path: Path) -> None:
    (tmp_path / JOB).write_bytes(b"not a folder")
    with pytest.raises(ResultStoreUnavailable):
        writer.put_segment(JOB, 0, parquet.encode(PARTS[0]))


def test_a_killed_writer_leaves_a_complete_file_or_none(tmp_path: Path) -> None:
    """Kills, at five different moments, a process that overwrites the same file in a loop."""
    program = f"""
import asyncio
from tasks.results.object_store import ObjectStore
objects = ObjectStore.connect("file://{tmp_path}")
data = bytes(range(256)) * 4096
print("ready", flush=True)
while True:
    asyncio.run(objects.put("{segment_name(JOB, 0)}", data))
"""
    whole = bytes(range(256)) * 4096
    file = tmp_path / segment_name(JOB, 0)
    for attempt in range(5):
        with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.011 * attempt + 0.003)
            process.kill()
        if file.exists():
            assert file.read_bytes() == whole
    SegmentWriter.connect(f"file://{tmp_path}").put_segment(JOB, 0, parquet.encode(PARTS[2]))
    assert file.read_bytes() == parquet.encode(PARTS[2])
    asyncio.run(ObjectStore.connect(f"file://{tmp_path}").delete_folder(JOB))
    assert list(tmp_path.iterdir()) == []
