"""Refusal of requests, and the choice of a response's protocol: each table is the whole rule."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from graphql import OperationType

from gql.graphql.requests import RequestRefused, check_content_type, check_parameters, response_protocol

if TYPE_CHECKING:
    from strawberry.http import GraphQLRequestProtocol

JSON = "application/json"
STRICT = "application/graphql-response+json"
SSE = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionSpec=1.0"

QUERY, MUTATION, SUBSCRIPTION = OperationType.QUERY, OperationType.MUTATION, OperationType.SUBSCRIPTION
INVALID = None

HTTP: GraphQLRequestProtocol = "http"
EVENTS: GraphQLRequestProtocol = "sse"
PARTS: GraphQLRequestProtocol = "multipart-subscription"
REFUSED = HTTPStatus.NOT_ACCEPTABLE


@pytest.mark.parametrize(
    ("accept", "single", "invalid", "subscription"),
    [
        # What clients accept, and the protocol for a query or mutation, an invalid document, and a subscription.
        ("", HTTP, HTTP, REFUSED),
        ("*/*", HTTP, HTTP, REFUSED),
        ("text/html", HTTP, HTTP, REFUSED),
        (JSON, HTTP, HTTP, REFUSED),
        (STRICT, HTTP, HTTP, REFUSED),
        (f"{STRICT}, {JSON};q=0.9", HTTP, HTTP, REFUSED),
        (SSE, EVENTS, EVENTS, EVENTS),
        (f"{SSE}, {JSON}", HTTP, HTTP, EVENTS),
        (f"{STRICT}, {JSON}, {SSE}", HTTP, HTTP, EVENTS),
        (f"{JSON}, {SSE};q=0.1", HTTP, HTTP, EVENTS),
        (f"{JSON};q=0.5, {SSE}", EVENTS, EVENTS, EVENTS),
        (f"{JSON}, {SSE};q=0", HTTP, HTTP, REFUSED),
        (MULTIPART, HTTP, PARTS, PARTS),
        (f"{MULTIPART}, {JSON}", HTTP, HTTP, PARTS),
        (f"{JSON}, {MULTIPART}", HTTP, HTTP, PARTS),
        (f"{MULTIPART}, {STRICT}, {JSON};q=0.9", HTTP, HTTP, PARTS),
        (f"{JSON}, {MULTIPART};q=0.1", HTTP, HTTP, PARTS),
        (f"{JSON};q=0.5, {MULTIPART}", HTTP, PARTS, PARTS),
        (f'multipart/mixed;boundary="graphql";subscriptionSpec="1.0", {JSON}', HTTP, HTTP, PARTS),
        (f"multipart/mixed;subscriptionSpec='1.0', {JSON}", HTTP, HTTP, PARTS),
        (f"{MULTIPART};q=0, {JSON}", HTTP, HTTP, REFUSED),
        # Both streams: the one with the higher quality, or else the one for every operation.
        (f"{SSE}, {MULTIPART}", EVENTS, EVENTS, EVENTS),
        (f"{MULTIPART}, {SSE}", EVENTS, EVENTS, EVENTS),
        (f"{SSE};q=0.5, {MULTIPART}", EVENTS, PARTS, PARTS),
        (f"{SSE};q=0.5, {MULTIPART};q=0.4", EVENTS, EVENTS, EVENTS),
        (f"{SSE};q=0, {MULTIPART};q=0.1", HTTP, PARTS, PARTS),
        (f"{SSE};q=0.5, {MULTIPART}, {JSON};q=0.7", HTTP, PARTS, PARTS),
        (f"{SSE};q=0.5, {MULTIPART}, {JSON}", HTTP, HTTP, PARTS),
        # A wildcard accepts JSON, but no stream: it would surprise clients that name none.
        (f"{SSE}, */*", HTTP, HTTP, EVENTS),
        (f"{SSE}, */*;q=0.1", EVENTS, EVENTS, EVENTS),
        (f"{SSE}, application/*", HTTP, HTTP, EVENTS),
        (f"{SSE}, {JSON};q=0.1, */*", HTTP, HTTP, EVENTS),
        (f"{SSE}, {JSON};q=0, {STRICT};q=0, */*", EVENTS, EVENTS, EVENTS),
        (f"{MULTIPART}, */*", HTTP, HTTP, PARTS),
        ("text/*", HTTP, HTTP, REFUSED),
        ("multipart/mixed;boundary=other;subscriptionSpec=1.0", HTTP, HTTP, REFUSED),
        ("multipart/mixed;subscriptionSpec=2.0", HTTP, HTTP, REFUSED),
        ("multipart/mixed;deferSpec=20220824", HTTP, HTTP, REFUSED),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_protocol_by_accept_and_operation(
    method: str,
    accept: str,
    single: GraphQLRequestProtocol,
    invalid: GraphQLRequestProtocol,
    subscription: GraphQLRequestProtocol | HTTPStatus,
) -> None:
    assert response_protocol(method, accept, QUERY, queries_by_get=True) == single
    assert response_protocol("POST", accept, MUTATION, queries_by_get=False) == single
    assert response_protocol(method, accept, INVALID, queries_by_get=False) == invalid
    if subscription is REFUSED:
        with pytest.raises(RequestRefused, match=r"accept text/event-stream or multipart/mixed") as refused:
            response_protocol(method, accept, SUBSCRIPTION, queries_by_get=False)
        assert (refused.value.status, refused.value.code) == (406, "NOT_ACCEPTABLE")
    else:
        assert response_protocol(method, accept, SUBSCRIPTION, queries_by_get=False) == subscription


@pytest.mark.parametrize("accept", ["", JSON, SSE, MULTIPART])
@pytest.mark.parametrize(("kind", "queries_by_get"), [(QUERY, False), (MUTATION, False), (MUTATION, True)])
def test_get_does_not_execute_the_operation(accept: str, kind: OperationType, queries_by_get: bool) -> None:
    with pytest.raises(RequestRefused, match=f"^a {kind.value} by GET is not allowed: use POST$") as refused:
        response_protocol("GET", accept, kind, queries_by_get=queries_by_get)
    assert (refused.value.status, refused.value.code) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "Application/JSON",
        f"{JSON};charset=utf-8",
        f'{JSON}; charset="UTF-8"',
        f"{JSON}; charset=us-ascii",
        f"{JSON};",
        f"{JSON}\t; ;CharSet=utf8",
        f'{JSON};x="a,b;charset=utf-16"',
        f"{JSON};charset=utf-8;charset=utf-16",
        rf'{JSON};charset="ut\f-8"',
    ],
)
def test_json_in_utf_8_is_accepted(content_type: str) -> None:
    check_content_type(content_type)


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("", "unsupported Content-Type: send application/json"),
        ("text/plain", "unsupported Content-Type: send application/json"),
        (f"text/plain, {JSON}", "unsupported Content-Type: send application/json"),
        (f"text/plain;{JSON}", "unsupported Content-Type: send application/json"),
        ("application/jsonx", "unsupported Content-Type: send application/json"),
        ("application /json", "unsupported Content-Type: send application/json"),
        ("application/json text/plain", "unsupported Content-Type: send application/json"),
        (f"{JSON}=1", "unsupported Content-Type: send application/json"),
        # As of two lines.
        (f"{JSON}, text/plain", "unsupported Content-Type: send application/json"),
        (f"{JSON}, {JSON}", "unsupported Content-Type: send application/json"),
        (f"{JSON};charset=", "unsupported charset: send the body as UTF-8"),
        (f"{JSON};charset='utf-8'", "unsupported charset: send the body as UTF-8"),
        ("application/x-www-form-urlencoded", "unsupported Content-Type: send application/json"),
        ("multipart/form-data; boundary=x", "unsupported Content-Type: send application/json"),
        (f"{JSON}; charset=utf-16", "unsupported charset: send the body as UTF-8"),
    ],
)
def test_other_content_types_are_refused(content_type: str, message: str) -> None:
    with pytest.raises(RequestRefused, match=f"^{message}$") as refused:
        check_content_type(content_type)
    assert (refused.value.status, refused.value.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"query": 1}, "The GraphQL operation's `query` must be a string or null, if provided."),
        ({"query": "{ a }", "variables": []}, "`variables` must be an object or null"),
        ({"query": "{ a }", "variables": "x"}, "`variables` must be an object or null"),
        ({"query": "{ a }", "extensions": 1}, "`extensions` must be an object or null"),
        ({"query": "{ a }", "operationName": {}}, "operationName must be a string or null"),
        ({"query": "{ a }", "documentId": 1}, "documentId must be a string or null"),
    ],
)
def test_parameters_of_another_type_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestRefused, match=message) as refused:
        check_parameters(parameters)
    assert (refused.value.status, refused.value.code) == (400, "BAD_REQUEST")


def test_optional_parameters_may_be_missing_or_null() -> None:
    check_parameters({"query": "{ a }"})
    names = ("variables", "extensions", "operationName", "documentId")
    check_parameters({"query": "{ a }"} | dict.fromkeys(names))
