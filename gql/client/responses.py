"""GraphQL over HTTP: sends operations, and turns error responses into exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gql.client.errors import ClientError, ServerUnavailableError

if TYPE_CHECKING:
    import httpx

# Sent by a server or a proxy during a restart or under overload.
UNAVAILABLE_STATUSES = {429, 502, 503, 504}


def execute(client: httpx.Client, query: str, **variables: object) -> dict[str, Any]:
    """The data of a query or mutation."""
    response = client.post("/graphql", json={"query": query, "variables": variables})
    check_status(response)
    return data_of(_parse(response))


def check_status(response: httpx.Response) -> None:
    """Raise unless the status is a success.

    Raises:
        ServerUnavailableError: the server may be available again soon.
        ClientError: any other error status, with the server's message.
    """
    if response.status_code in UNAVAILABLE_STATUSES:
        raise ServerUnavailableError(f"the server responded with {response.status_code} {response.reason_phrase}")
    if not response.is_success:
        response.read()
        data_of(_parse(response))


def data_of(document: dict[str, Any]) -> dict[str, Any]:
    """The data of a GraphQL response.

    Raises:
        ClientError: the document contains errors, or is a problem (RFC 9457).
    """
    if "errors" in document:
        raise ClientError("; ".join(error["message"] for error in document["errors"]))
    if "detail" in document:
        raise ClientError(str(document["detail"]))
    data: dict[str, Any] = document["data"]
    return data


def _parse(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        document = None
    if isinstance(document, dict) and ("data" in document or "errors" in document or "detail" in document):
        return document
    status = f"{response.status_code} {response.reason_phrase}"
    raise ClientError(f"{response.url} responded with {status}, but not as this API does. Check --url.")
