"""Pagination arguments: the slice that they select, and the combinations that are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.error_codes import RequestRefusedError
from schema.limits.settings import DEFAULT_PAGE_SIZE
from schema.types.pagination import PageArguments, decode_cursor, encode_cursor

MAX = 1000


def cursor(index: int) -> str:
    return encode_cursor("prime", index)


def page(available: int, **arguments: int | str | None) -> range:
    return PageArguments(**arguments).slice("prime", available, MAX)  # type: ignore[arg-type]


@given(st.integers(0, 300), st.integers(1, 50))
def test_forward_pages_of_any_size_join_to_the_whole(available: int, size: int) -> None:
    found: list[int] = []
    after = None
    while part := page(available, first=size, after=after):
        found += part
        after = cursor(part[-1])
    assert found == list(range(available))


@given(st.integers(0, 300), st.integers(1, 50))
def test_backward_pages_of_any_size_join_to_the_whole(available: int, size: int) -> None:
    found: list[int] = []
    before = None
    while part := page(available, last=size, before=before):
        found = [*part, *found]
        before = cursor(part[0])
    assert found == list(range(available))


def test_page_without_first_or_last_has_the_default_size() -> None:
    assert page(5000) == range(DEFAULT_PAGE_SIZE)
    assert page(3) == range(3)


def test_offset_is_a_zero_based_index() -> None:
    assert page(5000, first=10, offset=4995) == range(4995, 5000)
    assert not page(5000, first=10, offset=5000)
    assert not page(5000, first=10, offset=2**31 - 1)


def test_page_between_two_cursors_excludes_both() -> None:
    assert page(100, first=10, after=cursor(5), before=cursor(8)) == range(6, 8)
    assert page(100, last=1, after=cursor(5), before=cursor(8)) == range(7, 8)


def test_page_between_crossed_cursors_is_empty() -> None:
    assert not page(100, first=10, after=cursor(8), before=cursor(5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": -1}, "first is -1, must be 0 to 1000"),
        ({"first": 1001}, "first is 1001, must be 0 to 1000"),
        ({"last": 1001}, "last is 1001, must be 0 to 1000"),
        ({"first": 1, "last": 1}, "first and last cannot be combined: use one of them"),
        ({"offset": -1}, "offset is -1"),
        ({"offset": 1, "after": cursor(1)}, "offset can be combined with first only: omit after, before and last"),
        ({"offset": 1, "last": 1}, "offset can be combined with first only: omit after, before and last"),
        ({"after": "x"}, "after is 'x', must be a cursor"),
        ({"before": ""}, "before is '', must be a cursor"),
        ({"before": "é"}, "must be a cursor"),
        ({"after": encode_cursor("job", 1)}, "must be a cursor from this connection"),
        ({"after": encode_cursor("prime", -1)}, "must be a cursor"),
        ({"after": encode_cursor("prime", "9" * 50)}, "must be a cursor"),
        ({"after": f"{cursor(1)}="}, "must be a cursor"),
    ],
)
def test_invalid_arguments_are_refused_with_value_and_bound(
    arguments: dict[str, int | str | None], message: str
) -> None:
    with pytest.raises(RequestRefusedError, match=message) as refusal:
        page(100, **arguments)
    assert refusal.value.extensions == {"code": "VALIDATION"}
    assert len(refusal.value.message) < 200


@given(st.text(max_size=40))
def test_cursor_decodes_to_its_position(position: str) -> None:
    assert decode_cursor("job", "after", encode_cursor("job", position)) == position
