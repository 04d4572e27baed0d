"""Footers, read by pyarrow."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.results.parquet_footer import RowGroup, write_footer


@pytest.mark.parametrize("count", [1, 14, 15, 16, 127, 128, 2000])
def test_the_footer_describes_every_row_group(count: int) -> None:
    groups = [RowGroup(65_536, 4 + 70_000 * i, 70_000, 10**6 * i + 1, 10**6 * i + 999_999) for i in range(count)]
    metadata = pq.read_metadata(pa.BufferReader(write_footer(groups)))
    assert (metadata.num_row_groups, metadata.num_rows) == (count, 65_536 * count)
    assert metadata.created_by == "async-prime-generator"
    for i, group in enumerate(groups):
        column = metadata.row_group(i).column(0)
        assert (metadata.row_group(i).num_rows, column.num_values) == (group.count, group.count)
        assert (column.data_page_offset, column.total_compressed_size) == (group.start, group.size)
        assert column.statistics is not None
        assert (column.statistics.min, column.statistics.max) == (group.first, group.last)


@pytest.mark.parametrize("value", [0, 1, 63, 64, 127, 128, 2**31, 2**53 - 111, 2**62])
def test_integers_of_any_size_are_encoded(value: int) -> None:
    metadata = pq.read_metadata(pa.BufferReader(write_footer([RowGroup(value, value, value, value, value)])))
    column = metadata.row_group(0).column(0)
    assert (metadata.num_rows, column.data_page_offset, column.total_compressed_size) == (value, value, value)
    assert column.statistics is not None
    assert (column.statistics.min, column.statistics.max) == (value, value)
