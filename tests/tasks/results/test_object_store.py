"""The same operations and the same failures for files in a directory, in a bucket and in memory."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from obstore.exceptions import GenericError, JoinError
from obstore.store import LocalStore

from tasks.errors import BackendUnavailable, ResultStoreUnavailable, SegmentMissing
from tasks.results import object_store
from tasks.results.object_store import ObjectStore, describe_failure
from tests.programs import ROOT
from tests.stopwatch import Stopwatch
from tests.tasks.results import buckets
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from obstore.exceptions import BaseError

    from tests.tasks.results.buckets import Bucket

DATA = bytes(range(256)) * 40


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def _short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_WRITE_RETRY_DELAYS", (0.01, 0.01))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with buckets.bucket() as running:
        for name, value in (buckets.ENVIRONMENT | {"AWS_ENDPOINT_URL": running.endpoint}).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(params=["file", "s3", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "s3":
        request.getfixturevalue("bucket")
    urls = {"file": f"file://{tmp_path}/new folder/results", "s3": f"s3://{buckets.NAME}/ours", "memory": "memory://"}
    return ObjectStore.connect(urls[request.param])


# Every kind of storage


async def test_get_returns_what_was_put(objects: ObjectStore) -> None:
    await objects.put("job/0", DATA)
    assert await objects.get("job/0") == DATA
    assert await objects.get_range("job/0", 10, 300) == DATA[10:300]
    assert await objects.get_range("job/0", 10_000, 10**9) == DATA[10_000:]
    assert await objects.get_tail("job/0", 100) == DATA[-100:]
    assert await objects.get_tail("job/0", 10**6) == DATA


async def test_put_replaces_an_existing_file(objects: ObjectStore) -> None:
    await objects.put("job/0", DATA)
    await objects.put("job/0", b"another")
    assert await objects.get("job/0") == b"another"


async def test_reading_a_missing_file_raises_segment_missing(objects: ObjectStore) -> None:
    with pytest.raises(SegmentMissing, match="missing"):
        await objects.get("job/1")
    with pytest.raises(SegmentMissing, match="missing"):
        await objects.get_range("job/1", 0, 10)
    with pytest.raises(SegmentMissing, match="missing"):
        await objects.get_tail("job/1", 10)


async def test_delete_folder_deletes_its_files_and_no_other_folder(objects: ObjectStore) -> None:
    for name in ("job/0", "job/1", "job/2", "job-2/0", "other/0"):
        await objects.put(name, DATA)
    assert sorted(await objects.list_folders()) == ["job", "job-2", "other"]
    await objects.delete_folder("job")
    await objects.delete_folder("never")
    assert sorted(await objects.list_folders()) == ["job-2", "other"]
    assert await objects.get("job-2/0") == DATA


async def test_check_passes_when_files_can_be_written(objects: ObjectStore) -> None:
    await objects.check()
    await objects.check()
    assert list(await objects.list_folders()) == []


@pytest.mark.parametrize("url", ["", "results", "/results", "http://127.0.0.1/x", "ftp://x", "az://container/path"])
def test_unsupported_and_unusable_urls_are_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="results"):
        ObjectStore.connect(url)


# Folders


async def test_delete_folder_deletes_partial_files_of_killed_writers(tmp_path: Path) -> None:
    objects = ObjectStore.connect(f"file://{tmp_path}")
    (tmp_path / "job").mkdir()
    (tmp_path / "job/00000.parquet#1").write_bytes(DATA)
    assert list(await objects.list_folders()) == ["job"]
    await objects.delete_folder("job")
    assert names_in(tmp_path) == []


async def test_put_creates_a_missing_root_folder_again(tmp_path: Path) -> None:
    objects = ObjectStore.connect(f"file://{tmp_path}/results")
    (tmp_path / "results").rmdir()
    await objects.put("job/0", DATA)
    assert await objects.get("job/0") == DATA


async def test_error_message_for_an_unusable_folder_contains_no_path(tmp_path: Path) -> None:
    objects = ObjectStore.connect(f"file://{tmp_path}/results")
    (tmp_path / "results").rmdir()
    (tmp_path / "results").write_bytes(b"")
    with pytest.raises(ResultStoreUnavailable):
        await objects.check()
    with pytest.raises(ResultStoreUnavailable) as failure:
        await objects.put("job/0", DATA)
    assert str(tmp_path) not in str(failure.value)
    assert str(tmp_path) in str(failure.value.__cause__)


async def test_full_disk_is_reported_and_leaves_no_partial_file(tmp_path: Path) -> None:
    """RLIMIT_FSIZE simulates the full disk: writing fails in the middle too."""
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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "is full"),
        (GenericError("Unable to copy data to file: No space left on device (os error 28)"), "is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "denied access"),
        (GenericError("Unable to create dir /x: Read-only file system (os error 30)"), "denied access"),
        (TimeoutError(), "does not answer in time"),
        (OSError(errno.EIO, "Input/output error"), "does not answer"),
        (GenericError("Unable to open file /28/507 (os error 5)"), "does not answer"),
        (JoinError("403"), "does not answer"),
    ],
    ids=str,
)
def test_failures_are_described_by_their_type_or_code(error: BaseError | OSError, reason: str) -> None:
    assert describe_failure(error) == f"the result store {reason}"


async def test_check_reports_a_nearly_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = ObjectStore.connect(f"file://{tmp_path}")
    monkeypatch.setattr(object_store, "MIN_FREE_BYTES", 2**62)
    with pytest.raises(ResultStoreUnavailable, match="full"):
        await objects.check()


async def test_reading_from_a_disk_that_hangs_times_out(tmp_path: Path) -> None:
    """Opening a pipe without a writer blocks forever, as reading from a network mount does when its server is down."""
    objects = ObjectStore(LocalStore(tmp_path), timedelta(seconds=0.2))
    os.mkfifo(tmp_path / "pipe")
    with Stopwatch() as watch, pytest.raises(ResultStoreUnavailable, match="in time"):
        await objects.get("pipe")
    assert watch.seconds < 2
    await objects.put("job/0", DATA)
    # Unblocks obstore's thread.
    os.close(os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK))


def test_a_disk_that_hangs_while_syncing_times_out_and_does_not_delay_exit(tmp_path: Path) -> None:
    """The blocked thread must not be one of a pool, which is joined when the event loop closes or the process exits."""
    program = f"""
import asyncio, os, time
from datetime import timedelta
from tasks.errors import ResultStoreUnavailable
from tasks.results.object_store import ObjectStore
os.fsync = lambda _: time.sleep(600)
objects = ObjectStore.connect("file://{tmp_path}", timedelta(seconds=0.2))
try:
    asyncio.run(objects.put("job/0", b"data"))
except ResultStoreUnavailable as error:
    print(error)
"""
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30, check=False, capture_output=True)
    assert process.returncode == 0
    assert process.stdout == b"the result store does not answer in time\n"
    assert process.stderr == b""


async def test_a_blocking_call_that_ends_after_its_timeout_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, ended = os.fsync, threading.Event()

    def slow_fsync(descriptor: int) -> None:
        time.sleep(0.3)
        fsync(descriptor)
        ended.set()

    monkeypatch.setattr(os, "fsync", slow_fsync)
    objects = ObjectStore.connect(f"file://{tmp_path}", timedelta(seconds=0.1))
    with pytest.raises(ResultStoreUnavailable, match="in time"):
        await objects.put("job/0", DATA)
    assert await asyncio.to_thread(ended.wait, 10)
    monkeypatch.undo()
    await objects.put("job/0", DATA)


def test_use_in_a_forked_child_after_use_in_the_parent_is_an_error(tmp_path: Path) -> None:
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
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30, check=False)
    assert process.returncode == 42


# Buckets


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ((404, "NoSuchBucket"), "folder or bucket of the result store does not exist"),
        ((403, "AccessDenied"), "denied access"),
        ((401, "Unauthorized"), "denied access"),
        ((507, "XMinioStorageFull"), "full"),
        ((400, "QuotaExceeded"), "full"),
        ((400, "Strange"), "does not answer"),
    ],
)
async def test_bucket_errors_are_described_without_the_host(
    bucket: Bucket, failure: tuple[int, str], message: str
) -> None:
    objects = ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=2))
    bucket.failure = failure
    for call in (lambda: objects.put("job/0", DATA), objects.check, objects.list_folders):
        with pytest.raises(BackendUnavailable, match=message) as raised:
            await call()
        assert str(bucket.port) not in str(raised.value)


async def test_a_bucket_that_never_responds_times_out(bucket: Bucket) -> None:
    objects = ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=0.3))
    bucket.unresponsive.set()
    watch = Stopwatch()
    for call in (lambda: objects.put("job/0", DATA), lambda: objects.get("job/0")):
        with pytest.raises(ResultStoreUnavailable, match="does not answer"):
            await call()
    assert watch.stop().seconds < 3


async def test_refused_connection_is_reported_as_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (buckets.ENVIRONMENT | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).items():
        monkeypatch.setenv(name, value)
    objects = ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=1))
    with pytest.raises(ResultStoreUnavailable, match="does not answer"):
        await objects.check()


async def test_transient_bucket_errors_are_retried(bucket: Bucket) -> None:
    objects = ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=5))
    bucket.failure = (503, "SlowDown")

    async def recover() -> None:
        await asyncio.to_thread(wait_until, lambda: bool(bucket.requests))
        bucket.failure = None

    await asyncio.gather(objects.put("job/0", DATA), recover())
    assert len(bucket.requests) > 1
    assert bucket.files["job/0"] == DATA
