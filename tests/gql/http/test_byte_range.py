"""The Range header."""

from __future__ import annotations

import pytest

from gql.http.byte_range import RangeNotSatisfiableError, requested_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", (0, 1000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=999-", (999, 1000)),
        ("bytes=10-5000", (10, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-5000", (0, 1000)),
        (" Bytes=10-19 ", (10, 20)),
        ("bytes= 10-19", (10, 20)),
        ("bytes=,10-19 ,,", (10, 20)),
        ("bytes=0010-0019", (10, 20)),
        ("bytes=0-" + "9" * 5000, (0, 1000)),
        ("bytes=-" + "9" * 5000, (0, 1000)),
        ("bytes=" + "0" * 5000 + "1-1", (1, 2)),
    ],
)
def test_a_single_range_is_parsed(header: str, expected: tuple[int, int]) -> None:
    assert requested_range(header, 1000) == expected


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,5-6", "items=0-1", "bytes=9-5", "bytes 0-1"),
        *("bytes=+1-2", "bytes=\N{SUPERSCRIPT TWO}-", "bytes=\N{ARABIC-INDIC DIGIT TWO}-", "bytes", "=0-1", "0-1"),
        *("bytes=0-1-2", "bytes=0 - 1", "bytes=0-1;q=1", "bytes=0-1, bytes=2-3", "bytes=0x1-2", 'bytes="0-1"'),
    ],
)
def test_a_missing_malformed_or_multiple_range_requests_the_whole_file(header: str | None) -> None:
    assert requested_range(header, 1000) is None


@pytest.mark.parametrize(
    "header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=-000", "bytes=" + "9" * 5000 + "-"]
)
def test_a_range_beyond_the_end_is_not_satisfiable(header: str) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        requested_range(header, 1000)
