"""Accept and Accept-Encoding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql.http.negotiation import (
    EVENT_STREAM,
    GRAPHQL_JSON,
    HTML,
    LEGACY_JSON,
    accepts,
    header_elements,
    json_type,
    preferred_encoding,
    quality,
    single_quality,
)


@pytest.mark.parametrize(
    ("header", "expected"),
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
        ("application/graphql-response+json, */*", GRAPHQL_JSON),
        ("application/graphql-response+json;q=0.5, */*", LEGACY_JSON),
        ("application/graphql-response+json;q=0.5, application/*;q=0.4", GRAPHQL_JSON),
        ("application/json;q=0.1, */*", GRAPHQL_JSON),
        ("application/graphql-response+json;q=0, */*", LEGACY_JSON),
        ("application/*", LEGACY_JSON),
        ("application/json;q=0, */*", GRAPHQL_JSON),
        ("application/json;q=0, application/*;q=0.1", GRAPHQL_JSON),
        ("application/json;q=0.000, application/graphql-response+json;q=0.001", GRAPHQL_JSON),
        ("application/json;q=0", LEGACY_JSON),
        ("application/graphql-response+json;charset=UTF-8;q=1.000, application/json;q=.9", GRAPHQL_JSON),
        ("application/graphql-response+json ; q=0.2,\tapplication/json ;Q=0.3", LEGACY_JSON),
        (r'text/plain;x="\", application/graphql-response+json", application/json', LEGACY_JSON),
        # Malformed.
        ("application/graphql-response+json;q=nan", LEGACY_JSON),
        ("application/graphql-response+json;q=1e0", LEGACY_JSON),
        ("application/graphql-response+json;q=-1", LEGACY_JSON),
        ("application/graphql-response+json;q=", LEGACY_JSON),
        ("application / graphql-response+json", LEGACY_JSON),
        ("application/graphql-response+json=1", LEGACY_JSON),
    ],
)
def test_a_single_response_has_the_preferred_media_type(header: str, expected: str) -> None:
    assert json_type(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/event-stream", True),
        ("text/event-stream, application/json;q=0.9", True),
        ("application/graphql-response+json, application/json, text/event-stream", False),
        ("application/json", False),
        ("*/*", False),
    ],
)
def test_a_stream_is_preferred_only_with_a_higher_quality(header: str, expected: bool) -> None:
    assert (quality(header, EVENT_STREAM) > single_quality(header)) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("GZIP ; Q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "zstd"),
        ("zstd;q=0, *;q=0.1", "gzip"),
        ("*;q=0", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("gzip;q=0.5.5", None),
        ("gzip;q=x, zstd", "zstd"),
        (";;;,,,gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("x-gzip;q=0.1, gzip;q=0", "gzip"),
        ("X-GZIP;q=0", None),
        ("gzip;q=1, identity;q=0", "gzip"),
        ("identity;q=0", None),
        ("identity;q=0, *;q=0.5", "zstd"),
        ("*", "zstd"),
        ("*;q=0.5, identity", None),
        ("deflate, br;q=1.0, compress", None),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=.5", "gzip"),
        ("gzip;q=1.5", "gzip"),
        ("gzip;q=inf, zstd;q=1_0", None),
        ('gzip;q="0.5"', "gzip"),
        ("gzip=1", None),
    ],
)
def test_the_supported_encoding_with_the_highest_quality_is_preferred(header: str, expected: str | None) -> None:
    assert preferred_encoding(header, ("zstd", "gzip")) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("text/html", True),
        ("Text/HTML;level=1", True),
        ("text/*", True),
        ("*/*", True),
        ("application/json, */*;q=0.1", True),
        ("text/html;q=0, */*", False),
        ("text/html;q=0.0, text/*", False),
        ("text/*;q=0, */*", False),
        ("text/*;q=0, text/html;q=0.1", True),
        ("*/*;q=0", False),
        ("application/*", False),
        ("text/htmlx, xtext/html", False),
        ("*", False),
    ],
)
def test_the_most_specific_media_range_decides(header: str, expected: bool) -> None:
    assert accepts(header, HTML) is expected


def test_separators_inside_quotes_do_not_separate() -> None:
    first, second = header_elements('multipart/mixed;boundary="a,b;c";subscriptionSpec=1.0, application/json')
    assert first.parameters == {"boundary": "a,b;c", "subscriptionspec": "1.0"}
    assert second.name == "application/json"


@pytest.mark.parametrize("header", ["application/json;q=x", ",,", ";", "json", "a/b;q=", '"'])
def test_malformed_elements_are_ignored(header: str) -> None:
    assert quality(header, "application/json") == 0


@given(st.text(max_size=200))
def test_any_text_is_parsed_without_an_exception(header: str) -> None:
    assert json_type(header) in {LEGACY_JSON, GRAPHQL_JSON}


def test_an_extended_parameter_is_not_a_quality() -> None:
    assert json_type("application/graphql-response+json;q*=utf-8''0") == GRAPHQL_JSON
