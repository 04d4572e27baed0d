"""Files by name in a directory or a bucket: every call has a timeout, every failure is ResultStoreUnavailable.

obstore gives five kinds of storage one interface. This module adds what obstore leaves open: a disk that hangs (a
network mount, for example) does not block the caller, files in a directory are synced to disk before `put` returns, and
failures have one exception type. tasks.results.segments and tasks.results.writer decide which files exist.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, from_url

from tasks.errors import ResultStoreUnavailable, SegmentMissing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from obstore.store import ObjectStore as Backend

T = TypeVar("T")

SCHEMES = ("file", "s3", "gs", "az", "memory")

# For one file. Long enough for a segment of 1 MB over a slow connection, short enough for a waiting request.
FILE_TIMEOUT = timedelta(seconds=10)

# For listing all folders, and for deleting all files of a job.
BULK_TIMEOUT = timedelta(minutes=2)

# With less space than this, a few segments, the disk is treated as full.
MIN_FREE_BYTES = 16 * 2**20

# obstore raises GenericError for most failures: a system call, a listing, a quota. Such an error carries its text only,
# so the cause is what follows one of these: an errno, an HTTP status code or an error code of S3. They share no number.
_CODE = re.compile(r"(?:\(os error |status code: |<Code>)(\w+)")
_FULL = {*map(str, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)), "507", "QuotaExceeded", "XMinioStorageFull"}
_ACCESS_DENIED = {*map(str, (errno.EACCES, errno.EPERM, errno.EROFS)), "401", "403"}
_NOT_FOUND = {"404"}

_CHECK_NAME = "can-be-written"

# Seconds between attempts to write a file of a result.
_WRITE_RETRY_DELAYS = (0.2, 1.0)


class ObjectStore:
    """Files by name; `/` separates folders. Every method raises ResultStoreUnavailable on failure and on timeout."""

    # obstore's threads do not survive a fork: a child process that inherited them would wait forever.
    _used_by_process: int | None = None

    def __init__(self, backend: Backend, timeout: timedelta = FILE_TIMEOUT) -> None:
        self._backend = backend
        self._timeout = timeout
        self._folder = backend.prefix if isinstance(backend, LocalStore) else None

    @classmethod
    def connect(cls, url: str, timeout: timedelta = FILE_TIMEOUT) -> Self:
        """The store at a URL; sends no request. Credentials come from the vendor's usual environment variables.

        Raises:
            ValueError: the scheme is not in SCHEMES, or the URL is unusable.
        """
        scheme = urlsplit(url).scheme
        if scheme not in SCHEMES:
            raise ValueError(f"the results URL has scheme {scheme!r}, must be one of {', '.join(SCHEMES)}")
        if scheme == "memory":
            return cls(MemoryStore(), timeout)
        try:
            if scheme == "file":
                return cls(from_url(url, mkdir=True), timeout)
            # No client_options: passing any makes obstore ignore those of the environment.
            backend = from_url(url, retry_config={"max_retries": 3, "retry_timeout": timeout})
        except (BaseError, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"the results URL with scheme {scheme} cannot be used: {reason}") from error
        return cls(backend, timeout)

    async def put(self, name: str, data: bytes) -> None:
        """Writes a file atomically; replaces an existing one."""
        async with self._translate_errors():
            await obstore.put_async(self._backend, name, data, use_multipart=False)
            if self._folder is not None:
                file = self._folder / name
                # At the same time: the file system writes them together. A new folder's own entry is in its parent.
                await asyncio.gather(*(_in_thread(_sync_to_disk, path) for path in (file, *file.parents[:2])))

    async def put_with_retries(self, name: str, data: bytes) -> None:
        """As `put`, but tries again through short outages."""
        for delay in _WRITE_RETRY_DELAYS:
            try:
                return await self.put(name, data)
            except ResultStoreUnavailable:
                await asyncio.sleep(delay)
        return await self.put(name, data)

    async def get(self, name: str) -> bytes:
        """Returns the content of a file.

        Raises:
            SegmentMissing: the file does not exist.
        """
        async with self._translate_errors(missing=SegmentMissing):
            return bytes(await (await obstore.get_async(self._backend, name)).bytes_async())

    async def get_range(self, name: str, start: int, stop: int) -> bytes:
        """Returns the bytes from `start` to before `stop`; fewer if the file ends earlier.

        Raises:
            SegmentMissing: the file does not exist.
        """
        async with self._translate_errors(missing=SegmentMissing):
            return bytes(await obstore.get_range_async(self._backend, name, start=start, end=stop))

    async def get_tail(self, name: str, size: int) -> bytes:
        """Returns the last `size` bytes, or the whole file if it is shorter.

        Raises:
            SegmentMissing: the file does not exist.
        """
        async with self._translate_errors(missing=SegmentMissing):
            response = await obstore.get_async(self._backend, name, options={"range": {"suffix": size}})
            return bytes(await response.bytes_async())

    async def list_folders(self) -> Sequence[str]:
        """Returns the names of all top-level folders, including empty ones in a directory."""
        async with self._translate_errors(BULK_TIMEOUT):
            return (await obstore.list_with_delimiter_async(self._backend))["common_prefixes"]

    async def delete_folder(self, folder: str) -> None:
        """Deletes a folder with all its files, including partial files of killed writers. No error if it is missing."""
        async with self._translate_errors(BULK_TIMEOUT):
            if self._folder is not None:
                await _in_thread(_remove_folder, self._folder / folder)
                return
            async for files in obstore.list(self._backend, prefix=folder):
                with suppress(FileNotFoundError):
                    await obstore.delete_async(self._backend, [file["path"] for file in files])

    async def check(self) -> None:
        """Writes a file as workers do, and raises ResultStoreUnavailable if that fails or the disk is nearly full."""
        await self.put_with_retries(_CHECK_NAME, bytes(4096))
        if self._folder is not None:
            async with self._translate_errors():
                free = (await _in_thread(shutil.disk_usage, self._folder)).free
                if free < MIN_FREE_BYTES:
                    raise ResultStoreUnavailable(
                        f"the result store is full: {free} bytes free, must be at least {MIN_FREE_BYTES}"
                    )

    @asynccontextmanager
    async def _translate_errors(
        self, limit: timedelta | None = None, missing: type[ResultStoreUnavailable] | None = None
    ) -> AsyncIterator[None]:
        """Applies a time limit and raises ResultStoreUnavailable for every failure, `missing` for a file not found."""
        if ObjectStore._used_by_process not in {None, os.getpid()}:
            raise RuntimeError("the object store was used before this process was forked: use it after the fork only")
        ObjectStore._used_by_process = os.getpid()
        try:
            async with asyncio.timeout((limit or self._timeout).total_seconds()):
                yield
        except (BaseError, OSError) as error:
            if missing is not None and isinstance(error, FileNotFoundError):
                raise missing from error
            raise ResultStoreUnavailable(describe_failure(error)) from error


def describe_failure(error: BaseError | OSError) -> str:
    """The cause of a failure, without host, path or credentials: clients see this text."""
    codes = set(_CODE.findall(str(error))) if isinstance(error, GenericError) else set()
    if isinstance(error, OSError):
        codes.add(str(error.errno))
    if codes & _FULL:
        return "the result store is full"
    if codes & _ACCESS_DENIED or isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "the result store denied access"
    if codes & _NOT_FOUND or isinstance(error, FileNotFoundError):
        return "the folder or bucket of the result store does not exist"
    if isinstance(error, TimeoutError):
        return "the result store does not answer in time"
    return "the result store does not answer"


async def _in_thread(function: Callable[[Path], T], path: Path) -> T:
    """Runs a blocking call on a new daemon thread.

    Not on a ThreadPoolExecutor, nor by asyncio.to_thread: a call to a disk that hangs would occupy one of the pool's
    threads for good, and the process could not exit, since pools join their threads at exit.
    """
    result: Future[T] = Future()
    # A running future cannot be cancelled, so the thread may set its result after the caller has timed out.
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(function(path))
        except Exception as error:  # noqa: BLE001 - raised in the caller
            result.set_exception(error)

    threading.Thread(target=run, name=f"result store: {function.__name__}", daemon=True).start()
    return await asyncio.wrap_future(result)


def _sync_to_disk(path: Path) -> None:
    """Flushes a file, or the names in a folder, so that they survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_folder(folder: Path) -> None:
    """Deletes partial files too, which obstore does not list. The next sweep deletes what is written meanwhile."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
