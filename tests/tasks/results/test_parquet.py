"""Parquet files of primes: encoding, layout, decoding by row group, joining, and rejection of damaged files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import engine
from tasks.results import parquet
from tasks.results.parquet import DATA_START, ROW_GROUP_PRIMES

if TYPE_CHECKING:
    import numpy.typing as npt

PRIMES = engine.primes_from(2, 3 * ROW_GROUP_PRIMES + 7)
FILE = parquet.encode(PRIMES)
LAYOUT = parquet.read_layout(FILE)


def decode_by_row_group(file: bytes) -> npt.NDArray[np.uint64]:
    layout = parquet.read_layout(file)
    return np.concatenate([parquet.decode_row_group(group, file[group.start : group.end]) for group in layout.groups])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=2**53), min_size=1, max_size=50, unique=True).map(sorted))
def test_decode_returns_the_encoded_primes(numbers: list[int]) -> None:
    file = parquet.encode(np.array(numbers, dtype=np.uint64))
    assert parquet.decode(file).tolist() == numbers
    assert decode_by_row_group(file).tolist() == numbers


def test_row_groups_joined_equal_the_whole() -> None:
    assert np.array_equal(decode_by_row_group(FILE), PRIMES)
    assert [group.count for group in LAYOUT.groups] == [ROW_GROUP_PRIMES] * 3 + [7]
    assert (LAYOUT.count, LAYOUT.groups[0].first, LAYOUT.groups[-1].last) == (PRIMES.size, 2, PRIMES[-1])


def test_the_same_primes_give_the_same_bytes() -> None:
    assert parquet.encode(PRIMES.copy()) == FILE


def test_a_prime_takes_about_one_byte() -> None:
    assert len(FILE) < PRIMES.size
    high = engine.primes_from(2**53 - 10**8, ROW_GROUP_PRIMES)
    assert len(parquet.encode(high)) < 1.4 * high.size


def test_the_column_is_delta_encoded_signed_and_not_nullable() -> None:
    file = pq.ParquetFile(io.BytesIO(FILE))
    assert file.schema_arrow == pa.schema([pa.field("prime", pa.int64(), nullable=False)])
    column = file.metadata.row_group(0).column(0)
    assert "DELTA_BINARY_PACKED" in column.encodings
    assert (column.compression, column.has_dictionary_page) == ("UNCOMPRESSED", False)
    assert (column.has_column_index, column.has_offset_index) == (True, True)


@pytest.mark.parametrize("extra", [0, 1, 10**9])
def test_read_layout_needs_only_the_footer(extra: int) -> None:
    size = parquet.footer_size(FILE[-8:])
    assert parquet.read_layout(FILE[-min(size + extra, len(FILE)) :]) == LAYOUT


@pytest.mark.parametrize("tail", [b"", b"PAR1", b"0000PAR2", FILE[:-1]])
def test_bytes_that_are_not_the_end_of_a_file_are_rejected(tail: bytes) -> None:
    with pytest.raises(ValueError, match="not the end"):
        parquet.footer_size(tail)


@pytest.mark.parametrize("column", [{"number": [2, 3]}, {"prime": [2.0, 3.0]}, {"prime": [2], "rank": [0]}])
def test_a_file_with_other_columns_is_rejected(column: dict[str, list[float]]) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table(column), file)
    with pytest.raises(ValueError, match="columns"):
        parquet.read_layout(file.getvalue())


def test_a_compressed_file_is_rejected() -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"prime": [2, 3]}), file, compression="zstd")
    with pytest.raises(ValueError, match="compressed"):
        parquet.read_layout(file.getvalue())


@pytest.mark.parametrize("position", [0, 100, 20_000, LAYOUT.groups[0].size - 1])
def test_a_damaged_row_group_is_rejected(position: int) -> None:
    group = LAYOUT.groups[0]
    data = bytearray(FILE[group.start : group.end])
    data[position] ^= 1
    with pytest.raises(ValueError, match=r"damaged|must be"):
        parquet.decode_row_group(group, bytes(data))


@pytest.mark.parametrize("shift", [-1, 1, 1000])
def test_bytes_of_another_row_group_are_rejected(shift: int) -> None:
    group = LAYOUT.groups[1]
    with pytest.raises(ValueError, match=r"row group|damaged"):
        parquet.decode_row_group(group, FILE[group.start + shift : group.end + shift])
    with pytest.raises(ValueError, match="row group has"):
        parquet.decode_row_group(group, FILE[group.start : group.end - 1])
    other = LAYOUT.groups[2]
    impostor = other.moved_to(0)
    with pytest.raises(ValueError, match="must be"):
        parquet.decode_row_group(
            type(impostor)(other.count, 0, other.size, group.first, group.last), FILE[other.start : other.end]
        )


@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_a_truncated_file_is_rejected(cut: int) -> None:
    with pytest.raises(ValueError, match="damaged"):
        parquet.decode(FILE[:-cut])


def test_joined_files_are_one_file_with_all_primes() -> None:
    parts = [PRIMES[:100_000], PRIMES[100_000:100_001], PRIMES[100_001:]]
    files = [parquet.encode(part) for part in parts]
    layouts = [parquet.read_layout(file) for file in files]
    starts, footer = parquet.join_layouts(layouts)
    data = [file[DATA_START : layout.data_end] for file, layout in zip(files, layouts, strict=True)]
    joined = b"PAR1" + b"".join(data) + footer
    assert len(joined) == starts[-1] + len(footer)
    opened = pq.ParquetFile(io.BytesIO(joined), page_checksum_verification=True)
    assert opened.schema_arrow == pq.ParquetFile(io.BytesIO(FILE)).schema_arrow
    assert np.array_equal(opened.read()["prime"].to_numpy(), PRIMES)
    assert parquet.read_layout(joined).count == PRIMES.size


def test_statistics_of_a_joined_file_let_readers_skip_row_groups() -> None:
    _, footer = parquet.join_layouts([LAYOUT])
    joined = FILE[: LAYOUT.data_end] + footer
    found = pq.read_table(io.BytesIO(joined), filters=[("prime", ">=", int(PRIMES[-3]))])
    assert found["prime"].to_pylist() == PRIMES[-3:].tolist()
    statistics = pq.ParquetFile(io.BytesIO(joined)).metadata.row_group(1).column(0).statistics
    assert statistics is not None
    assert (statistics.min, statistics.max) == (LAYOUT.groups[1].first, LAYOUT.groups[1].last)
    assert statistics.null_count == 0
