"""The load test's own primes, and the detection of wrong results."""

from __future__ import annotations

import pytest

from loadtest.users.expected_primes import PrimeTable, list_error, page_error

TABLE = PrimeTable(1_100_000)


def test_the_table_agrees_with_published_counts() -> None:
    """pi(10^6) = 78498, and the 78498th prime is 999983."""
    found = TABLE.first(78_498, 2)
    assert list(found[:10]) == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert found[-1] == 999_983


@pytest.mark.parametrize(("start", "first"), [(0, 2), (2, 2), (3, 3), (4, 5), (24, 29), (1_000_000, 1_000_003)])
def test_the_first_prime_is_at_or_above_the_start(start: int, first: int) -> None:
    assert TABLE.first(1, start)[0] == first


def test_primes_beyond_the_limit_are_an_error() -> None:
    with pytest.raises(ValueError, match="exceed the table, whose largest prime is 29"):
        PrimeTable(30).first(11, 2)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 9, 25, 30])
def test_a_small_table_ends_at_its_limit(limit: int) -> None:
    expected = [prime for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29) if prime <= limit]
    table = PrimeTable(limit)
    assert list(table.first(len(expected), 0)) == expected


@pytest.mark.parametrize(
    ("actual", "error"),
    [
        ([2, 3, 5, 7], None),
        ([2, 3, 5], "wrong count"),
        ([2, 3, 5, 7, 11], "wrong count"),
        ([3, 3, 5, 7], "wrong first prime"),
        ([2, 3, 5, 8], "wrong last prime"),
        ([2, 3, 6, 7], "wrong prime between first and last"),
        (None, "not a list"),
        ([], "wrong count"),
    ],
)
def test_a_wrong_result_is_described(actual: object, error: str | None) -> None:
    assert list_error(TABLE.first(4, 2), actual) == error


def test_a_page_is_compared_at_its_offset_and_the_last_one_may_be_short() -> None:
    expected = TABLE.first(10, 2)
    assert page_error(expected, 3, 4, [7, 11, 13, 17]) is None
    assert page_error(expected, 8, 4, [23, 29]) is None
    assert page_error(expected, 2, 4, [7, 11, 13, 17]) == "page: wrong first prime"
