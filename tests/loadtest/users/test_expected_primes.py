"""The load test's own primes, and that a wrong result is seen wherever it is wrong."""

from __future__ import annotations

import pytest

from loadtest.users.expected_primes import KnownPrimes, wrong_list, wrong_page

KNOWN = KnownPrimes(1_100_000)


def test_known_primes_agree_with_the_published_counts() -> None:
    """pi(10^6) = 78498, and the 78498th prime is 999983."""
    found = KNOWN.first(78_498, 2)
    assert list(found[:10]) == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert found[-1] == 999_983


@pytest.mark.parametrize(("start", "first"), [(0, 2), (2, 2), (3, 3), (4, 5), (24, 29), (1_000_000, 1_000_003)])
def test_the_first_prime_is_not_below_the_start(start: int, first: int) -> None:
    assert KNOWN.first(1, start)[0] == first


def test_primes_beyond_the_bound_are_not_made_up() -> None:
    with pytest.raises(ValueError, match="not all known"):
        KnownPrimes(30).first(11, 2)


@pytest.mark.parametrize("bound", [0, 1, 2, 3, 4, 9, 25, 30])
def test_a_small_bound_is_a_bound(bound: int) -> None:
    expected = [prime for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29) if prime <= bound]
    known = KnownPrimes(bound)
    assert list(known.first(len(expected), 0)) == expected


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ([2, 3, 5, 7], None),
        ([2, 3, 5], "count"),
        ([2, 3, 5, 7, 11], "count"),
        ([3, 3, 5, 7], "first"),
        ([2, 3, 5, 8], "last"),
        ([2, 3, 6, 7], "between first and last"),
        (None, "no list of primes"),
        ([], "count"),
    ],
)
def test_a_wrong_result_is_named(given: object, wrong: str | None) -> None:
    assert wrong_list(KNOWN.first(4, 2), given) == wrong


def test_a_page_is_compared_at_its_offset_and_may_be_short_at_the_end() -> None:
    expected = KNOWN.first(10, 2)
    assert wrong_page(expected, 3, 4, [7, 11, 13, 17]) is None
    assert wrong_page(expected, 8, 4, [23, 29]) is None
    assert wrong_page(expected, 2, 4, [7, 11, 13, 17]) == "page: first"
