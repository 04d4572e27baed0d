"""Files by name in a folder or a bucket, with a limit of time on every call and one expected failure.

What the library has under five kinds of address is the same here; what it leaves open is not: a disk that hangs
(a network mount, say) does not hang the caller, files of a folder are on the disk when `put` returns, and every way
to fail is ResultStoreUnavailable. Which files there are belongs to result_store and result_writer.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import threading
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, from_url

from tasks.errors import ResultStoreUnavailable, SegmentMissing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from obstore.store import ObjectStore as Backend

T = TypeVar("T")

SCHEMES = ("file", "s3", "gs", "az", "memory")

# Long enough for a segment of a megabyte over a slow line, short enough for a person or a worker to be told.
ANSWER_LIMIT = timedelta(seconds=10)

# For work on as many files as a job can have.
SWEEP_LIMIT = timedelta(minutes=2)

# A folder with less room than for a few more segments is as good as full.
LEAST_ROOM_BYTES = 16 * 2**20

# Causes, as the library has them in its texts: numbers of errno, and what is answered to a request over HTTP.
_FULL = re.compile(rf"os error ({errno.ENOSPC}|{errno.EDQUOT}|{errno.EFBIG})\b|code: 507|QuotaExceeded|StorageFull")
_CLOSED = re.compile(rf"os error ({errno.EACCES}|{errno.EPERM}|{errno.EROFS})\b|code: 40[13]")
_MISSING = re.compile(r"code: 404")

_CHECK_NAME = "can-be-written"


class ObjectStore:
    """Files by name. Async; names have forward slashes.

    Every method raises ResultStoreUnavailable when the store fails, or does not answer in time.
    """

    # The library's threads do not survive a fork, and a child that inherited them waits for ever.
    _used_by_process: int | None = None

    def __init__(self, backend: Backend, limit: timedelta = ANSWER_LIMIT) -> None:
        self._backend = backend
        self._limit = limit
        self._folder = backend.prefix if isinstance(backend, LocalStore) else None

    @classmethod
    def connect(cls, url: str, limit: timedelta = ANSWER_LIMIT) -> Self:
        """The store at an address; nothing is sent. Credentials are those of the environment, as its vendor has them.

        Raises:
            ValueError: not an address of a kind in SCHEMES, or it can't be used as it stands.
        """
        scheme = urlsplit(url).scheme
        if scheme not in SCHEMES:
            raise ValueError(f"results are kept at file://, s3://, gs://, az:// or memory://, not at {scheme!r}")
        if scheme == "memory":
            return cls(MemoryStore(), limit)
        try:
            if scheme == "file":
                return cls(from_url(url, mkdir=True), limit)
            # No options of the connection: with any, those of the environment would count for nothing.
            backend = from_url(url, retry_config={"max_retries": 3, "retry_timeout": limit})
        except (BaseError, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"results can't be kept at an address of kind {scheme}://: {reason}") from error
        return cls(backend, limit)

    async def put(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all, in place of one that is there."""
        async with self._answering():
            await obstore.put_async(self._backend, name, data, use_multipart=False)
            if self._folder is not None:
                await _in_thread(_keep_on_disk, self._folder / name)

    async def get(self, name: str) -> bytes:
        """A whole file.

        Raises:
            SegmentMissing: there is none with this name.
        """
        async with self._answering(missing=SegmentMissing):
            return bytes(await (await obstore.get_async(self._backend, name)).bytes_async())

    async def get_range(self, name: str, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`, fewer where the file ends.

        Raises:
            SegmentMissing: there is no file with this name.
        """
        async with self._answering(missing=SegmentMissing):
            return bytes(await obstore.get_range_async(self._backend, name, start=start, end=stop))

    async def get_tail(self, name: str, size: int) -> bytes:
        """The last `size` bytes, or the whole file where it has fewer.

        Raises:
            SegmentMissing: there is no file with this name.
        """
        async with self._answering(missing=SegmentMissing):
            found = await obstore.get_async(self._backend, name, options={"range": {"suffix": size}})
            return bytes(await found.bytes_async())

    async def list_folders(self) -> Sequence[str]:
        """The names of all folders at the top, empty ones too where a store has such."""
        async with self._answering(SWEEP_LIMIT):
            return (await obstore.list_with_delimiter_async(self._backend))["common_prefixes"]

    async def delete_folder(self, folder: str) -> None:
        """Delete all that is in a folder, and what writers who were killed have left there. None is no failure."""
        async with self._answering(SWEEP_LIMIT):
            if self._folder is not None:
                await _in_thread(_remove_folder, self._folder / folder)
                return
            async for files in obstore.list(self._backend, prefix=folder):
                with suppress(FileNotFoundError):
                    await obstore.delete_async(self._backend, [file["path"] for file in files])

    async def check(self) -> None:
        """Fail as writing would."""
        async with self._answering():
            await obstore.put_async(self._backend, _CHECK_NAME, bytes(4096), use_multipart=False)
            if self._folder is not None:
                room = (await _in_thread(shutil.disk_usage, self._folder)).free
                if room < LEAST_ROOM_BYTES:
                    raise ResultStoreUnavailable(f"the result store is full: {room} bytes are free")

    @asynccontextmanager
    async def _answering(
        self, limit: timedelta | None = None, missing: type[ResultStoreUnavailable] | None = None
    ) -> AsyncIterator[None]:
        """Turn every way in which a store fails into the one expected failure."""
        if ObjectStore._used_by_process not in {None, os.getpid()}:
            raise RuntimeError("a result store was used before this process was forked, and can't be used in it")
        ObjectStore._used_by_process = os.getpid()
        try:
            async with asyncio.timeout((limit or self._limit).total_seconds()):
                yield
        except (BaseError, OSError) as error:
            if missing is not None and isinstance(error, FileNotFoundError):
                raise missing from error
            raise ResultStoreUnavailable(_explain(error)) from error


def _explain(error: Exception) -> str:
    """What is wrong, in words that name no host, path or credential."""
    text = str(error).replace("[Errno", "os error")
    if _FULL.search(text):
        return "the result store is full"
    if _CLOSED.search(text) or isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "the result store refuses access"
    if _MISSING.search(text) or isinstance(error, FileNotFoundError):
        return "the folder or bucket of the result store does not exist"
    if isinstance(error, TimeoutError):
        return "the result store does not answer in time"
    return "the result store does not answer"


async def _in_thread(function: Callable[[Path], T], path: Path) -> T:
    """Run in a thread that nobody waits for past the limit, not even the end of the process, as a pool's would be."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(outcome: Callable[[], None]) -> None:
        if not answer.done():
            outcome()

    def run() -> None:
        try:
            found = function(path)
        except OSError as error:
            failure = error
            outcome = lambda: answer.set_exception(failure)  # noqa: E731 - the other branch has one as well
        else:
            outcome = lambda: answer.set_result(found)  # noqa: E731
        # Whoever asked may have given up, and closed the loop.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, outcome)

    threading.Thread(target=run, name=f"result store: {function.__name__}", daemon=True).start()
    return await answer


def _keep_on_disk(file: Path) -> None:
    """Past this, a power cut leaves the file and its name as they are."""
    # The name of a folder that is new stands in the one above.
    for path in (file, file.parent, file.parent.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_folder(folder: Path) -> None:
    """With half-written files, which the library does not list. One that is written meanwhile stays for the next."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
