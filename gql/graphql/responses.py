"""Single JSON responses: the body of a result, and its status. See the GraphQL over HTTP specification."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from gql.http import negotiation
from schema.errors.masking import UNEXPECTED_ERROR_CODE

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


def status_of(media_type: str, body: object) -> HTTPStatus:
    """The status of a response. The legacy media type has 200 for the errors of clients, too."""
    if not isinstance(body, dict) or "data" in body:
        return HTTPStatus.OK
    if any(error.get("extensions", {}).get("code") == UNEXPECTED_ERROR_CODE for error in body["errors"]):
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.BAD_REQUEST if media_type == negotiation.GRAPHQL_JSON else HTTPStatus.OK
