"""Single JSON responses: the body of a result, and its status. See the GraphQL over HTTP specification."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from gql.http import negotiation

if TYPE_CHECKING:
    import graphql
    from strawberry.http import GraphQLHTTPResponse
    from strawberry.types import ExecutionResult


def response_body(result: ExecutionResult | graphql.ExecutionResult) -> GraphQLHTTPResponse:
    """The body of a result. Without `data` if nothing was executed, as the specification requires."""
    if not result.errors:
        return {"data": result.data}
    errors: list[object] = [error.formatted for error in result.errors]
    if result.data is None and not any(error.path for error in result.errors):
        return {"errors": errors}
    return {"data": result.data, "errors": errors}


def encode(body: object) -> bytes:
    """A body as JSON."""
    return orjson.dumps(body)


def is_request_error(body: object) -> bool:
    """Whether nothing was executed."""
    return isinstance(body, dict) and "data" not in body


def status_of(media_type: str, *, request_error: bool) -> HTTPStatus:
    """The status of a response. The legacy media type has 200 for request errors, too."""
    return HTTPStatus.BAD_REQUEST if request_error and media_type == negotiation.GRAPHQL_JSON else HTTPStatus.OK
