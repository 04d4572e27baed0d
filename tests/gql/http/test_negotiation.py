"""The Accept header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql.http.negotiation import (
    EVENT_STREAM,
    GRAPHQL_JSON,
    LEGACY_JSON,
    json_type,
    media_ranges,
    prefers_stream,
    quality,
)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("", LEGACY_JSON),
        ("*/*", LEGACY_JSON),
        ("text/html", LEGACY_JSON),
        ("application/json", LEGACY_JSON),
        ("application/graphql-response+json", GRAPHQL_JSON),
        ("APPLICATION/GraphQL-Response+JSON; charset=utf-8", GRAPHQL_JSON),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL_JSON),
        ("application/json, application/graphql-response+json", GRAPHQL_JSON),
        ("application/json, application/graphql-response+json;q=0.5", LEGACY_JSON),
        ("application/graphql-response+json;q=0", LEGACY_JSON),
    ],
)
def test_the_media_type_of_a_single_answer(header: str, chosen: str) -> None:
    assert json_type(header) == chosen


@pytest.mark.parametrize(
    ("header", "preferred"),
    [
        ("text/event-stream", True),
        ("text/event-stream, application/json;q=0.9", True),
        ("application/graphql-response+json, application/json, text/event-stream", False),
        ("application/json", False),
        ("*/*", False),
    ],
)
def test_a_stream_must_be_wanted_more_than_a_single_answer(header: str, preferred: bool) -> None:
    assert prefers_stream(header, EVENT_STREAM) is preferred


def test_commas_in_quotes_do_not_separate() -> None:
    first, second = media_ranges('multipart/mixed;boundary="a,b";subscriptionSpec=1.0, application/json')
    assert first.parameters == {"boundary": "a,b", "subscriptionspec": "1.0"}
    assert second.name == "application/json"


@pytest.mark.parametrize("header", ["application/json;q=x", ",,", ";", "json", "a/b;q=", '"'])
def test_what_cannot_be_understood_is_not_wanted(header: str) -> None:
    assert quality(header, "application/json") == 0


@given(st.text(max_size=200))
def test_no_header_is_a_fault(header: str) -> None:
    assert json_type(header) in {LEGACY_JSON, GRAPHQL_JSON}
