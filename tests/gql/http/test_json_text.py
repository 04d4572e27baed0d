"""JSON with and without a byte order mark."""

from __future__ import annotations

import orjson
import pytest

from gql.http.json_text import parse_json

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


@pytest.mark.parametrize("text", ['{"a": 1}', f'{BOM}{{"a": 1}}', f'{BOM} \n{{"a": 1}}'])
def test_byte_order_mark_is_skipped(text: str) -> None:
    assert parse_json(text) == parse_json(text.encode()) == {"a": 1}


@pytest.mark.parametrize("text", ["", BOM, f"{BOM}{BOM}1", f" {BOM}1", "{", "[" * 2_000])
def test_anything_else_before_json_is_refused(text: str) -> None:
    for form in (text, text.encode()):
        with pytest.raises(orjson.JSONDecodeError):
            parse_json(form)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        parse_json('{"é": 1}'.encode(encoding))
