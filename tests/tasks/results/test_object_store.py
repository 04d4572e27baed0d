"""Files by name in folders, in buckets and in memory: the same to all who use them, and the same when they fail."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from obstore.store import LocalStore

from tasks.errors import BackendUnavailable, ResultStoreUnavailable, SegmentMissing
from tasks.results import object_store
from tasks.results.object_store import ObjectStore
from tests.programs import ROOT
from tests.tasks.results import buckets
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tasks.results.buckets import Bucket

DATA = bytes(range(256)) * 40


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with buckets.bucket() as found:
        for name, value in (buckets.ENVIRONMENT | {"AWS_ENDPOINT_URL": found.endpoint}).items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture(params=["file", "s3", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "s3":
        request.getfixturevalue("bucket")
    where = {"file": f"file://{tmp_path}/new folder/results", "s3": f"s3://{buckets.NAME}/ours", "memory": "memory://"}
    return ObjectStore.connect(where[request.param])


# What holds wherever files are kept


async def test_what_was_put_is_what_is_got(objects: ObjectStore) -> None:
    await objects.put("job/0", DATA)
    assert await objects.get("job/0") == DATA
    assert await objects.get_range("job/0", 10, 300) == DATA[10:300]
    assert await objects.get_range("job/0", 10_000, 10**9) == DATA[10_000:]
    assert await objects.get_tail("job/0", 100) == DATA[-100:]
    assert await objects.get_tail("job/0", 10**6) == DATA


async def test_a_file_is_put_in_place_of_one_that_is_there(objects: ObjectStore) -> None:
    await objects.put("job/0", DATA)
    await objects.put("job/0", b"another")
    assert await objects.get("job/0") == b"another"


async def test_what_is_not_there_is_missing(objects: ObjectStore) -> None:
    with pytest.raises(SegmentMissing, match="missing"):
        await objects.get("job/1")
    with pytest.raises(SegmentMissing, match="missing"):
        await objects.get_range("job/1", 0, 10)
    with pytest.raises(SegmentMissing, match="missing"):
        await objects.get_tail("job/1", 10)


async def test_a_folder_is_deleted_with_all_that_is_in_it_and_no_other(objects: ObjectStore) -> None:
    for name in ("job/0", "job/1", "job/2", "job-2/0", "other/0"):
        await objects.put(name, DATA)
    assert sorted(await objects.list_folders()) == ["job", "job-2", "other"]
    await objects.delete_folder("job")
    await objects.delete_folder("never")
    assert sorted(await objects.list_folders()) == ["job-2", "other"]
    assert await objects.get("job-2/0") == DATA


async def test_where_files_can_be_written_the_check_passes(objects: ObjectStore) -> None:
    await objects.check()
    await objects.check()
    assert list(await objects.list_folders()) == []


@pytest.mark.parametrize("url", ["", "results", "/results", "http://127.0.0.1/x", "ftp://x", "az://container/path"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="results"):
        ObjectStore.connect(url)


# Folders


async def test_half_written_files_of_the_killed_go_with_their_folder(tmp_path: Path) -> None:
    objects = ObjectStore.connect(f"file://{tmp_path}")
    (tmp_path / "job").mkdir()
    (tmp_path / "job/00000.parquet#1").write_bytes(DATA)
    assert list(await objects.list_folders()) == ["job"]
    await objects.delete_folder("job")
    assert names_in(tmp_path) == []


async def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    objects = ObjectStore.connect(f"file://{tmp_path}/results")
    (tmp_path / "results").rmdir()
    await objects.put("job/0", DATA)
    assert await objects.get("job/0") == DATA


async def test_a_path_that_is_no_folder_is_a_failure_with_no_path_in_it(tmp_path: Path) -> None:
    objects = ObjectStore.connect(f"file://{tmp_path}/results")
    (tmp_path / "results").rmdir()
    (tmp_path / "results").write_bytes(b"")
    with pytest.raises(ResultStoreUnavailable):
        await objects.check()
    with pytest.raises(ResultStoreUnavailable) as failure:
        await objects.put("job/0", DATA)
    assert str(tmp_path) not in str(failure.value)
    assert str(tmp_path) in str(failure.value.__cause__)


async def test_a_full_disk_says_so_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The kernel's limit on the size of a file stands for the disk's: writing fails in the middle likewise."""
    objects = ObjectStore.connect(f"file://{tmp_path}")
    await objects.put("job/0", b"whole")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        for name in ("job/0", "job/1"):
            with pytest.raises(ResultStoreUnavailable, match="full"):
                await objects.put(name, DATA)
        with pytest.raises(ResultStoreUnavailable, match="full"):
            await objects.check()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await objects.get("job/0") == b"whole"
    assert names_in(tmp_path / "job") == ["0"]


async def test_a_disk_with_no_room_for_a_segment_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = ObjectStore.connect(f"file://{tmp_path}")
    monkeypatch.setattr(object_store, "LEAST_ROOM_BYTES", 2**62)
    with pytest.raises(ResultStoreUnavailable, match="full"):
        await objects.check()


async def test_a_disk_that_hangs_is_given_up(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to takes for ever, as reading from a network mount without its server does."""
    objects = ObjectStore(LocalStore(tmp_path), timedelta(seconds=0.2))
    os.mkfifo(tmp_path / "pipe")
    began = time.monotonic()
    with pytest.raises(ResultStoreUnavailable, match="in time"):
        await objects.get("pipe")
    assert time.monotonic() - began < 2
    await objects.put("job/0", DATA)
    # Lets the library's thread end.
    os.close(os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK))


def test_a_forked_process_is_told_that_it_cannot_use_what_its_parent_has_used(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, sys
from tasks.results.object_store import ObjectStore
objects = ObjectStore.connect("file://{tmp_path}")
asyncio.run(objects.put("job/0", b"parent"))
if os.fork() == 0:
    try:
        asyncio.run(objects.put("job/0", b"child"))
    except RuntimeError as error:
        os._exit(42 if "forked" in str(error) else 1)
    os._exit(2)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30, check=False)
    assert found.returncode == 42


# Buckets


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ((404, "NoSuchBucket"), "folder or bucket of the result store does not exist"),
        ((403, "AccessDenied"), "refuses access"),
        ((401, "Unauthorized"), "refuses access"),
        ((507, "XMinioStorageFull"), "full"),
        ((400, "QuotaExceeded"), "full"),
        ((400, "Strange"), "does not answer"),
    ],
)
async def test_how_a_bucket_fails_is_told_in_words_without_its_name(
    bucket: Bucket, failure: tuple[int, str], words: str
) -> None:
    objects = ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=2))
    bucket.failure = failure
    for ask in (lambda: objects.put("job/0", DATA), objects.check, objects.list_folders):
        with pytest.raises(BackendUnavailable, match=words) as received:
            await ask()
        assert str(bucket.port) not in str(received.value)


async def test_a_bucket_that_is_silent_is_given_up(bucket: Bucket) -> None:
    objects = ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=0.3))
    bucket.silent.set()
    began = time.monotonic()
    for ask in (lambda: objects.put("job/0", DATA), lambda: objects.get("job/0")):
        with pytest.raises(ResultStoreUnavailable, match="does not answer"):
            await ask()
    assert time.monotonic() - began < 3


async def test_a_bucket_that_nobody_serves_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (buckets.ENVIRONMENT | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).items():
        monkeypatch.setenv(name, value)
    objects = ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=1))
    with pytest.raises(ResultStoreUnavailable, match="does not answer"):
        await objects.check()


async def test_a_bucket_that_stumbles_is_asked_again(bucket: Bucket) -> None:
    objects = ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=5))
    bucket.failure = (503, "SlowDown")

    async def recover() -> None:
        await asyncio.to_thread(wait_until, lambda: bool(bucket.requests))
        bucket.failure = None

    await asyncio.gather(objects.put("job/0", DATA), recover())
    assert len(bucket.requests) > 1
    assert bucket.files["job/0"] == DATA
