"""If-Match and If-None-Match: the status for each value, and their order."""

from __future__ import annotations

import json

import pytest
from starlette.datastructures import Headers

from gql.http.preconditions import conditional_response

CURRENT = '"v1,a"'
RESPONSE = {"ETag": CURRENT, "Vary": "Accept-Encoding", "Cache-Control": "no-cache", "Content-Encoding": "gzip"}


def status(*fields: tuple[str, str]) -> int | None:
    request = Headers(raw=[(name.encode(), value.encode("latin-1")) for name, value in fields])
    response = conditional_response(request, RESPONSE)
    return None if response is None else response.status_code


# The values, and whether they have the tag by the strong and by the weak comparison.
VALUES = [
    ("*", True, True),
    (CURRENT, True, True),
    (f'"a", {CURRENT}', True, True),
    (f'{CURRENT},"a"', True, True),
    (f",, {CURRENT} ,", True, True),
    (f'W/"a",{CURRENT}', True, True),
    (f"W/{CURRENT}", False, True),
    (f'W/{CURRENT}, W/"a"', False, True),
    (f'"\xe9", {CURRENT}', True, True),
    ('"a"', False, False),
    ('"V1,a"', False, False),
    ('"v1", "a"', False, False),
    ('""', False, False),
    ("", False, False),
    # Malformed.
    ("v1,a", False, False),
    (f"w/{CURRENT}", False, False),
    (f"W/ {CURRENT}", False, False),
    (f"x{CURRENT}", False, False),
    (f'"a", *, {CURRENT}', False, False),
    (f"{CURRENT}; q=1", False, False),
    ('"v1,a', False, False),
    ('"x"v1,a"', False, False),
]


@pytest.mark.parametrize(("value", "strong", "weak"), VALUES)
def test_if_match_compares_strongly_and_if_none_match_weakly(value: str, strong: bool, weak: bool) -> None:
    assert status(("if-match", value)) == (None if strong else 412)
    assert status(("if-none-match", value)) == (304 if weak else None)


def test_several_lines_are_one_list() -> None:
    assert status(("if-match", '"a"'), ("if-match", CURRENT)) is None
    assert status(("if-none-match", '"a"'), ("if-none-match", CURRENT)) == 304


def test_if_match_comes_before_if_none_match() -> None:
    assert status(("if-none-match", CURRENT), ("if-match", '"a"')) == 412
    assert status(("if-none-match", CURRENT), ("if-match", CURRENT)) == 304


@pytest.mark.parametrize("name", ["if-modified-since", "if-unmodified-since"])
@pytest.mark.parametrize("date", ["Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT", "nonsense"])
def test_a_date_has_no_effect_on_what_has_none(name: str, date: str) -> None:
    assert status((name, date)) is None


def test_the_response_has_the_headers_that_are_about_the_resource() -> None:
    failed = conditional_response(Headers({"if-match": '"a"'}), RESPONSE)
    assert failed is not None
    assert json.loads(bytes(failed.body))["detail"] == f"If-Match does not have the current ETag, {CURRENT}"
    assert (failed.headers["etag"], failed.headers["vary"]) == (CURRENT, "Accept-Encoding")
    assert {"cache-control", "content-encoding"}.isdisjoint(failed.headers)
    not_modified = conditional_response(Headers({"if-none-match": "*"}), RESPONSE)
    assert not_modified is not None
    assert dict(not_modified.headers) == {"etag": CURRENT, "vary": "Accept-Encoding", "cache-control": "no-cache"}
