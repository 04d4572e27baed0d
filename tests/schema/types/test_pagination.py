"""Paging arguments: which slice they name, and which of them contradict each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors.codes import RequestRefusedError
from schema.types.pagination import DEFAULT_PAGE_SIZE, PageArguments, decode_cursor, encode_cursor

MAX = 1000


def cursor(index: int) -> str:
    return encode_cursor("prime", index)


def page(available: int, **arguments: int | str | None) -> range:
    return PageArguments(**arguments).slice("prime", available, MAX)  # type: ignore[arg-type]


@given(st.integers(0, 300), st.integers(1, 50))
def test_pages_forward_joined_are_the_whole_for_any_page_size(available: int, size: int) -> None:
    found: list[int] = []
    after = None
    while part := page(available, first=size, after=after):
        found += part
        after = cursor(part[-1])
    assert found == list(range(available))


@given(st.integers(0, 300), st.integers(1, 50))
def test_pages_backward_joined_are_the_whole_for_any_page_size(available: int, size: int) -> None:
    found: list[int] = []
    before = None
    while part := page(available, last=size, before=before):
        found = [*part, *found]
        before = cursor(part[0])
    assert found == list(range(available))


def test_without_a_size_a_page_has_the_default_one() -> None:
    assert page(5000) == range(DEFAULT_PAGE_SIZE)
    assert page(3) == range(3)


def test_an_offset_is_an_index() -> None:
    assert page(5000, first=10, offset=4995) == range(4995, 5000)
    assert not page(5000, first=10, offset=5000)
    assert not page(5000, first=10, offset=2**31 - 1)


def test_a_page_between_two_cursors_excludes_both() -> None:
    assert page(100, first=10, after=cursor(5), before=cursor(8)) == range(6, 8)
    assert page(100, last=1, after=cursor(5), before=cursor(8)) == range(7, 8)


def test_cursors_that_cross_enclose_nothing() -> None:
    assert not page(100, first=10, after=cursor(8), before=cursor(5))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"first": -1}, "first is -1, must be 0 to 1000"),
        ({"first": 1001}, "first is 1001, must be 0 to 1000"),
        ({"last": 1001}, "last is 1001, must be 0 to 1000"),
        ({"first": 1, "last": 1}, "exclude each other"),
        ({"offset": -1}, "offset is -1"),
        ({"offset": 1, "after": cursor(1)}, "offset goes with first only"),
        ({"offset": 1, "last": 1}, "offset goes with first only"),
        ({"after": "x"}, "after is 'x', must be a cursor"),
        ({"before": ""}, "before is '', must be a cursor"),
        ({"before": "é"}, "must be a cursor"),
        ({"after": encode_cursor("job", 1)}, "must be a cursor from this connection"),
        ({"after": encode_cursor("prime", -1)}, "must be a cursor"),
        ({"after": encode_cursor("prime", "9" * 50)}, "must be a cursor"),
        ({"after": f"{cursor(1)}="}, "must be a cursor"),
    ],
)
def test_misuse_is_refused_with_value_and_bound(arguments: dict[str, int | str | None], words: str) -> None:
    with pytest.raises(RequestRefusedError, match=words) as refusal:
        page(100, **arguments)
    assert refusal.value.extensions == {"code": "VALIDATION"}
    assert len(refusal.value.message) < 200


@given(st.text(max_size=40))
def test_a_cursor_says_what_it_was_made_of(place: str) -> None:
    assert decode_cursor("job", "after", encode_cursor("job", place)) == place
