"""Requests over HTTP: what one may contain, and the protocol of its response. Every refusal is a RequestRefused."""

from __future__ import annotations

from http import HTTPStatus
from types import NoneType
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, OperationType
from strawberry.http.streaming import MULTIPART_SUBSCRIPTION_BOUNDARY

from gql.http import fields
from gql.http.negotiation import EVENT_STREAM, LEGACY_JSON, MULTIPART, header_elements, quality, single_quality
from schema.error_codes import MAX_MESSAGE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strawberry.http import GraphQLRequestProtocol

# RFC 8259: JSON is UTF-8. ASCII is a subset of it.
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})

_STRING = (str, NoneType)
_OBJECT = (dict, NoneType)
_PARAMETER_TYPES = {
    "query": (_STRING, "The GraphQL operation's `query` must be a string or null, if provided."),
    "variables": (_OBJECT, "The GraphQL operation's `variables` must be an object or null, if provided."),
    "extensions": (_OBJECT, "The GraphQL operation's `extensions` must be an object or null, if provided."),
    "operationName": (_STRING, "operationName must be a string or null"),
    "documentId": (_STRING, "documentId must be a string or null"),
}


class RequestRefused(GraphQLError):
    """The error of a request that is not executed, on every transport.

    Args:
        status: of the response over HTTP. OK becomes 400 in the specification's media type.
        message: what is wrong.
        code: None: it follows from the status.
    """

    def __init__(self, status: HTTPStatus, message: str, code: str | None = None) -> None:
        self.status = status
        self.code = code or status.phrase.upper().replace(" ", "_")
        super().__init__(message[:MAX_MESSAGE_LENGTH], extensions={"code": self.code})


def check_content_type(content_type: str) -> None:
    """Raise RequestRefused unless the body is JSON in UTF-8.

    This prevents cross-site requests, too: a form of another site cannot have this content type.
    """
    # Two elements are two lines, or a value that is no media type.
    elements = fields.elements(content_type)
    if len(elements) != 1 or elements[0][:2] != (LEGACY_JSON, ""):
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported Content-Type: send application/json")
    if elements[0].parameters.get("charset", "utf-8").lower() not in _UTF_8:
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported charset: send the body as UTF-8")


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise RequestRefused unless the parameters have the types of the specification."""
    for name, value in parameters.items():
        if name in _PARAMETER_TYPES and not isinstance(value, _PARAMETER_TYPES[name][0]):
            raise RequestRefused(HTTPStatus.BAD_REQUEST, _PARAMETER_TYPES[name][1])


def response_protocol(
    method: str, accept: str, kind: OperationType | None, *, queries_by_get: bool
) -> GraphQLRequestProtocol:
    """The protocol of the response: a stream for subscriptions, and for others if Accept prefers it to JSON.

    Args:
        method: GET or POST.
        accept: the header's value.
        kind: the type of the operation; None if the document is invalid.
        queries_by_get: whether GET may execute queries.

    Raises:
        RequestRefused: the method does not allow the operation, or a subscription has no acceptable protocol.
    """
    if method == "GET" and (kind is OperationType.MUTATION or (kind is OperationType.QUERY and not queries_by_get)):
        raise RequestRefused(HTTPStatus.METHOD_NOT_ALLOWED, f"a {kind.value} by GET is not allowed: use POST")
    is_subscription = kind is OperationType.SUBSCRIPTION
    events, parts = quality(accept, EVENT_STREAM), _multipart_quality(accept)
    if is_subscription and not events and not parts:
        raise RequestRefused(
            HTTPStatus.NOT_ACCEPTABLE,
            "a subscription needs a stream: accept text/event-stream or multipart/mixed;subscriptionSpec=1.0, "
            "or use a WebSocket",
        )
    # All others have a single result: clients that accept both get JSON. The multipart protocol has no queries.
    single = 0 if is_subscription else single_quality(accept)
    if parts > max(events, single) and (is_subscription or kind is None):
        return "multipart-subscription"
    return "sse" if events > single else "http"


def _multipart_quality(accept: str) -> float:
    """The quality of Apollo's protocol. A boundary of it must be ours."""
    return max(
        (
            element.quality
            for element in header_elements(accept)
            if element.name == MULTIPART
            and element.parameters.get("subscriptionspec", "").strip("'").startswith("1.0")
            and element.parameters.get("boundary", MULTIPART_SUBSCRIPTION_BOUNDARY) == MULTIPART_SUBSCRIPTION_BOUNDARY
        ),
        default=0,
    )
