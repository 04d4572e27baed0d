"""Results as files: the same bytes from memory and from the result store, whole and in any range."""

from __future__ import annotations

import asyncio
import io
import json
import random
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import engine
from tasks.errors import SegmentMissing
from tasks.exports.formats import ExportFormat, export
from tasks.jobs import SEGMENT_PRIMES
from tasks.results import parquet
from tasks.results.segments import SegmentStore
from tasks.results.source import ArraySource, SegmentSource
from tasks.results.writer import SegmentWriter

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.exports.formats import ExportFile
    from tasks.results.source import ResultSource

JOB = "01945b7e-1c2d-7abc-8def-0123456789ab"
COUNT = SEGMENT_PRIMES + 70_000
PRIMES = engine.primes_from(2, COUNT)
FORMATS = list(ExportFormat)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"file://{tmp_path_factory.mktemp('results')}"
    writer = SegmentWriter.connect(url)
    for index in range(2):
        segment = PRIMES[index * SEGMENT_PRIMES : (index + 1) * SEGMENT_PRIMES]
        writer.put_segment(JOB, index, parquet.encode(segment))
    return url


@pytest.fixture(params=["memory", "store"])
def source(request: pytest.FixtureRequest, url: str) -> ResultSource:
    return ArraySource(PRIMES) if request.param == "memory" else SegmentSource(SegmentStore.connect(url), JOB, COUNT)


async def content(file: ExportFile, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in file.content(start, file.size if stop is None else stop)])


def expected(primes: npt.NDArray[np.uint64], export_format: ExportFormat) -> bytes:
    if export_format is ExportFormat.CSV:
        return b"prime\n" + b"".join(b"%d\n" % prime for prime in primes.tolist())
    return b"".join(b'{"prime":%d}\n' % prime for prime in primes.tolist())


async def test_a_parquet_file_holds_all_primes(source: ResultSource) -> None:
    data = await content(await export(source, ExportFormat.PARQUET))
    file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
    assert np.array_equal(file.read()["prime"].to_numpy(), PRIMES)
    assert file.metadata.num_row_groups > 16


@pytest.mark.parametrize("export_format", [ExportFormat.CSV, ExportFormat.NDJSON])
async def test_a_text_file_has_one_line_per_prime(source: ResultSource, export_format: ExportFormat) -> None:
    assert await content(await export(source, export_format)) == expected(PRIMES, export_format)


@pytest.mark.parametrize("export_format", FORMATS)
async def test_the_size_is_known_before_the_content(source: ResultSource, export_format: ExportFormat) -> None:
    file = await export(source, export_format)
    assert file.size == len(await content(file))


@pytest.mark.parametrize("export_format", FORMATS)
async def test_any_byte_range_equals_that_range_of_the_whole(source: ResultSource, export_format: ExportFormat) -> None:
    file = await export(source, export_format)
    whole = await content(file)
    edges = [0, 1, 3, 4, 5, 6, 7, 15, 16, file.size // 2, file.size - 9, file.size - 1]
    for start in [*edges, *(random.randrange(file.size) for _ in range(10))]:
        for stop in (start + 1, start + random.randrange(2, 200_000)):
            assert await content(file, start, min(stop, file.size)) == whole[start:stop]
    # Each of these generates much of the file.
    for start in (1, 5, random.randrange(file.size), *edges[-3:]):
        assert await content(file, start, file.size) == whole[start:]


@pytest.mark.parametrize("export_format", FORMATS)
async def test_content_is_generated_in_small_pieces(source: ResultSource, export_format: ExportFormat) -> None:
    file = await export(source, export_format)
    assert max([len(piece) async for piece in file.content(0, file.size)]) < 2 * 2**20


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(2, 2**53 - 111), min_size=1, max_size=40, unique=True).map(sorted),
    st.sampled_from([ExportFormat.CSV, ExportFormat.NDJSON]),
    st.data(),
)
def test_any_byte_range_of_lines_is_correct(
    numbers: list[int], export_format: ExportFormat, data: st.DataObject
) -> None:
    primes = np.array(numbers, dtype=np.uint64)
    whole = expected(primes, export_format)
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))

    async def part() -> tuple[int, bytes]:
        file = await export(ArraySource(primes), export_format)
        return file.size, await content(file, start, stop)

    assert asyncio.run(part()) == (len(whole), whole[start:stop])


@pytest.mark.parametrize("export_format", FORMATS)
@pytest.mark.parametrize("primes", [[2], [7, 11], [9_007_199_254_740_881]])
async def test_a_file_of_one_or_two_primes_is_valid(primes: list[int], export_format: ExportFormat) -> None:
    data = await content(await export(ArraySource(np.array(primes, dtype=np.uint64)), export_format))
    match export_format:
        case ExportFormat.PARQUET:
            assert pq.read_table(io.BytesIO(data))["prime"].to_pylist() == primes
        case ExportFormat.CSV:
            assert data.decode().split() == ["prime", *map(str, primes)]
        case ExportFormat.NDJSON:
            assert [json.loads(line) for line in data.splitlines()] == [{"prime": prime} for prime in primes]


@pytest.mark.parametrize("export_format", FORMATS)
async def test_a_missing_segment_is_an_error_and_not_a_shorter_file(url: str, export_format: ExportFormat) -> None:
    """The job claims one segment more than the result store holds."""
    store = SegmentStore.connect(url)
    with pytest.raises(SegmentMissing):
        await content(await export(SegmentSource(store, JOB, 3 * SEGMENT_PRIMES), export_format))
