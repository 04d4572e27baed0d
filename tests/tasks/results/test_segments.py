"""Pages of large results from files, their cache, and sweeping."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import engine
from tasks.errors import ResultStoreUnavailable, SegmentDamaged, SegmentMissing
from tasks.jobs import SEGMENT_PRIMES
from tasks.results import parquet
from tasks.results.object_store import ObjectStore
from tasks.results.parquet import ROW_GROUP_PRIMES
from tasks.results.segments import SegmentStore, segment_name
from tasks.results.writer import SegmentWriter

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import numpy.typing as npt

JOB = "01945b7e-1c2d-7abc-8def-0123456789ab"
COUNT = 2 * SEGMENT_PRIMES + 100_000
PRIMES = engine.primes_from(1000, COUNT)


class CountingObjectStore(ObjectStore):
    """Counts reads and bytes read."""

    reads = 0
    bytes_read = 0

    async def get_range(self, name: str, start: int, stop: int) -> bytes:
        data = await super().get_range(name, start, stop)
        CountingObjectStore.reads += 1
        CountingObjectStore.bytes_read += len(data)
        return data

    async def get_tail(self, name: str, size: int) -> bytes:
        data = await super().get_tail(name, size)
        CountingObjectStore.reads += 1
        CountingObjectStore.bytes_read += len(data)
        return data


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The object store with the result of JOB. Tests that change files use a separate folder."""
    url = f"file://{tmp_path_factory.mktemp('results')}"
    write(url, PRIMES)
    return url


def write(url: str, primes: npt.NDArray[np.uint64], job_id: str = JOB) -> None:
    writer = SegmentWriter.connect(url)
    for index, start in enumerate(range(0, primes.size, SEGMENT_PRIMES)):
        writer.put_segment(job_id, index, parquet.encode(primes[start : start + SEGMENT_PRIMES]))


async def write_in_thread(url: str, primes: npt.NDArray[np.uint64], job_id: str = JOB) -> None:
    """As `write`, in a thread: SegmentWriter blocks."""
    await asyncio.to_thread(write, url, primes, job_id)


@pytest.fixture
def store(url: str) -> SegmentStore:
    CountingObjectStore.reads = CountingObjectStore.bytes_read = 0
    return SegmentStore(CountingObjectStore.connect(url))


# Reading

EDGES = [0, ROW_GROUP_PRIMES, SEGMENT_PRIMES, 2 * SEGMENT_PRIMES, COUNT]


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("count", [1, 2, 1000, 70_000])
async def test_a_page_at_a_boundary_is_a_slice_of_the_whole(store: SegmentStore, edge: int, count: int) -> None:
    for offset in (max(edge - 1, 0), edge, max(edge - count, 0)):
        found = await store.read(JOB, offset, min(count, COUNT - offset))
        assert np.array_equal(found, PRIMES[offset : offset + count])
        assert found.dtype == np.uint64


@settings(max_examples=60, deadline=None)
@given(st.integers(0, COUNT - 1), st.integers(0, 200_000))
def test_any_page_is_a_slice_of_the_whole(url: str, offset: int, count: int) -> None:
    count = min(count, COUNT - offset)
    store = SegmentStore.connect(url)
    found = asyncio.run(store.read(JOB, offset, count))
    assert np.array_equal(found, PRIMES[offset : offset + count])


async def test_a_page_ends_at_the_last_segment(store: SegmentStore) -> None:
    assert np.array_equal(await store.read(JOB, COUNT - 10, 1000), PRIMES[-10:])
    assert (await store.read(JOB, COUNT, 10)).size == 0


@pytest.mark.parametrize(
    ("offset", "count"), [(0, COUNT), (0, 1), (12_345, COUNT - 12_345), (COUNT - 1, 1), (5, 10**6)]
)
async def test_blocks_joined_equal_the_whole(store: SegmentStore, offset: int, count: int) -> None:
    blocks = [block async for block in store.blocks(JOB, offset, count)]
    assert np.array_equal(np.concatenate(blocks), PRIMES[offset : offset + count])
    assert max(block.size for block in blocks) <= ROW_GROUP_PRIMES


@pytest.mark.parametrize("offset", [0, COUNT - 1000])
async def test_a_page_at_any_rank_costs_one_footer_and_one_row_group(store: SegmentStore, offset: int) -> None:
    await store.read(JOB, offset, 1000)
    assert CountingObjectStore.reads == 2
    assert CountingObjectStore.bytes_read < 100_000
    await store.read(JOB, offset + 1, 999)
    assert CountingObjectStore.reads == 2


async def test_concurrent_readers_of_a_page_share_one_read(store: SegmentStore) -> None:
    pages = await asyncio.gather(*(store.read(JOB, 5000, 100) for _ in range(100)))
    assert all(np.array_equal(page, PRIMES[5000:5100]) for page in pages)
    assert CountingObjectStore.reads == 2


async def test_the_cache_is_limited_in_bytes(url: str) -> None:
    store = SegmentStore(ObjectStore.connect(url), cache_bytes=2**20)
    for offset in range(0, COUNT - 10, ROW_GROUP_PRIMES):
        await store.read(JOB, offset, 10)
    assert 0 < store.cached_bytes <= 2**20 + 10_000


async def test_changing_a_page_does_not_change_the_cache(store: SegmentStore) -> None:
    page = await store.read(JOB, 0, 10)
    page[:] = 0
    assert np.array_equal(await store.read(JOB, 0, 10), PRIMES[:10])


@pytest.mark.parametrize(
    "index",
    [0, 1, 77_777, *(edge + step for edge in EDGES[1:-1] for step in (-1, 0, 1)), COUNT - 1],
)
async def test_index_of_finds_each_prime_and_the_number_below_it(store: SegmentStore, index: int) -> None:
    prime = int(PRIMES[index])
    assert await store.index_of(JOB, prime, COUNT) == index
    assert await store.index_of(JOB, prime - 1, COUNT) == index - (index > 0 and prime - 1 == PRIMES[index - 1])


@pytest.mark.parametrize(
    ("value", "index"), [(-(2**70), 0), (-1, 0), (0, 0), (1009, 0), (int(PRIMES[-1]) + 1, None), (2**70, None)]
)
async def test_index_of_a_value_outside_the_result_is_zero_or_none(
    store: SegmentStore, value: int, index: int | None
) -> None:
    assert await store.index_of(JOB, value, COUNT) == index


async def test_index_of_searches_the_completed_prefix_only(tmp_path: Path) -> None:
    await write_in_thread(f"file://{tmp_path}", PRIMES[:SEGMENT_PRIMES])
    store = SegmentStore.connect(f"file://{tmp_path}")
    assert await store.index_of(JOB, int(PRIMES[SEGMENT_PRIMES - 1]), SEGMENT_PRIMES) == SEGMENT_PRIMES - 1
    assert await store.index_of(JOB, int(PRIMES[SEGMENT_PRIMES]), SEGMENT_PRIMES) is None
    assert await store.index_of(JOB, int(PRIMES[10]), 10) is None


# Failures


async def test_reading_a_missing_segment_raises_segment_missing(store: SegmentStore) -> None:
    other = "01945b7e-1c2d-7abc-8def-000000000000"
    with pytest.raises(SegmentMissing):
        await store.read(other, 0, 10)
    with pytest.raises(SegmentMissing):
        await store.index_of(other, 10, 100)
    with pytest.raises(SegmentMissing):
        await anext(store.blocks(other, 0, 10))


@pytest.mark.parametrize("position", [100, -1, -10, -3000])
async def test_reading_a_damaged_segment_raises_segment_damaged(tmp_path: Path, position: int) -> None:
    await write_in_thread(f"file://{tmp_path}", PRIMES[:1000])
    file = tmp_path / segment_name(JOB, 0)
    data = bytearray(file.read_bytes())
    data[position % len(data)] ^= 0xFF
    file.write_bytes(data)
    store = SegmentStore.connect(f"file://{tmp_path}")
    with pytest.raises(SegmentDamaged):
        await store.read(JOB, 0, 10)
    with pytest.raises(SegmentDamaged):
        await anext(store.blocks(JOB, 0, 10))


async def test_a_segment_rewritten_with_other_row_groups_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst a late attempt can do: another version of the program rewrites the file after its footer was cached."""
    await write_in_thread(f"file://{tmp_path}", PRIMES[:SEGMENT_PRIMES])
    store = SegmentStore.connect(f"file://{tmp_path}")
    await store.read(JOB, 0, 10)
    monkeypatch.setattr(parquet, "ROW_GROUP_PRIMES", 10_000)
    await write_in_thread(f"file://{tmp_path}", PRIMES[:SEGMENT_PRIMES])
    for offset in range(0, SEGMENT_PRIMES, 50_000):
        assert np.array_equal(await store.read(JOB, offset, 100), PRIMES[offset : offset + 100])


async def test_reads_succeed_again_after_an_outage(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    store = SegmentStore.connect(f"file://{folder}")
    folder.rmdir()
    folder.write_bytes(b"")
    with pytest.raises(ResultStoreUnavailable):
        await store.read(JOB, 0, 10)
    with pytest.raises(ResultStoreUnavailable):
        await store.check()
    folder.unlink()
    await write_in_thread(f"file://{folder}", PRIMES[:100])
    assert np.array_equal(await store.read(JOB, 0, 10), PRIMES[:10])
    await store.check()


# Deleting


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def job_id(age: timedelta) -> str:
    """As submit_job.lua creates them: the first 48 bits are the time of submission, in milliseconds."""
    milliseconds = int((datetime.now(UTC) - age).timestamp() * 1000)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int >> 68))


async def test_delete_result_deletes_no_other_result(tmp_path: Path) -> None:
    url, other = f"file://{tmp_path}", job_id(timedelta())
    for job in (JOB, other):
        await write_in_thread(url, PRIMES[:100], job)
    store = SegmentStore.connect(url)
    await store.delete_result(JOB)
    await store.delete_result(JOB)
    with pytest.raises(SegmentMissing):
        await store.read(JOB, 0, 10)
    assert (await store.read(other, 0, 10)).size == 10


async def test_sweep_deletes_only_orphans_that_are_old_enough(tmp_path: Path) -> None:
    url = f"file://{tmp_path}"
    live, orphan, young = job_id(timedelta(hours=2)), job_id(timedelta(hours=2)), job_id(timedelta(minutes=1))
    for job in (live, orphan, young):
        await write_in_thread(url, PRIMES[:100], job)
    empty = job_id(timedelta(hours=2))
    (tmp_path / empty).mkdir()
    (tmp_path / "not ours").mkdir()
    (tmp_path / "notes.txt").write_text("unrelated", encoding="utf-8")
    queried: list[str] = []

    async def find_live(ids: Sequence[str]) -> Collection[str]:
        queried.extend(ids)
        return {live}

    store = SegmentStore.connect(url)
    assert sorted(await store.sweep(find_live, timedelta(hours=1))) == sorted([orphan, empty])
    assert sorted(queried) == sorted([live, orphan, empty])
    assert names_in(tmp_path) == {live, young, "not ours", "notes.txt"}
    assert list(await store.sweep(find_live, timedelta(hours=1))) == []


async def test_sweep_deletes_nothing_while_the_job_store_is_unavailable(tmp_path: Path) -> None:
    orphan = job_id(timedelta(hours=2))
    await write_in_thread(f"file://{tmp_path}", PRIMES[:100], orphan)

    async def find_live(_: Sequence[str]) -> Collection[str]:
        raise ConnectionError

    store = SegmentStore.connect(f"file://{tmp_path}")
    with pytest.raises(ConnectionError):
        await store.sweep(find_live, timedelta(hours=1))
    assert (await store.read(orphan, 0, 10)).size == 10
