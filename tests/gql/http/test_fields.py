"""Header fields: several lines, lists, parameters and quoted strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from gql.http.fields import Element, combined, elements, members, tokens


def headers(*values: str) -> Headers:
    return Headers(raw=[(b"x", value.encode("latin-1")) for value in values])


@pytest.mark.parametrize(
    ("lines", "expected"), [((), None), (("",), ""), (("a",), "a"), (("a", "b, c"), "a, b, c"), (("", "a"), ", a")]
)
def test_several_lines_are_one_list(lines: tuple[str, ...], expected: str | None) -> None:
    assert combined(headers(*lines), "x") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        (" , ,\t,", []),
        ("a", ["a"]),
        ("a,b ,\tc", ["a", "b", "c"]),
        (',a,,"b,c",', ["a", '"b,c"']),
        (r'"a\"b,c", d', [r'"a\"b,c"', "d"]),
        (r'"a\\", b', [r'"a\\"', "b"]),
        ('a="b,c', ['a="b,c']),
        ("a b, c", ["a b", "c"]),
    ],
)
def test_a_list_has_its_members(value: str | None, expected: list[str]) -> None:
    assert members(value) == expected


def test_tokens_have_no_case() -> None:
    assert tokens(headers("Keep-Alive", "UPGRADE , close"), "x") == ["keep-alive", "upgrade", "close"]
    assert tokens(headers(), "x") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Text/HTML", [Element("text/html", "", {})]),
        ("a;Q=0.5 ; b=C", [Element("a", "", {"q": "0.5", "b": "C"})]),
        ('a;b="c;d,e";f', [Element("a", "", {"b": "c;d,e", "f": ""})]),
        (r'a;b="c\"d\\e"', [Element("a", "", {"b": r'c"d\e'})]),
        ("a;b=1;B=2", [Element("a", "", {"b": "1"})]),
        ("a;;b=1;", [Element("a", "", {"b": "1"})]),
        ('wait = 5;x, B="c"', [Element("wait", "5", {"x": ""}), Element("b", "c", {})]),
        (";q=1", [Element("", "", {"q": "1"})]),
        ('a;b="c', [Element("a", "", {"b": "c"})]),
    ],
)
def test_an_element_has_a_name_a_value_and_parameters(value: str, expected: list[Element]) -> None:
    assert elements(value) == expected


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=100) | st.text(alphabet='a,;="\\ \t', max_size=50))
def test_any_value_is_read(value: str) -> None:
    assert all(isinstance(element, Element) for element in elements(value))
    assert len(elements(value)) == len(members(value))
