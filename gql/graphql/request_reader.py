"""Reads requests: the parameters of one become its operation, or the same error on every transport."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import GraphQLError

from gql.graphql.requests import RequestRefused, check_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import OperationDefinitionNode, OperationType

    from gql.graphql.persisted_documents import PersistedDocuments
    from schema.limits.document_cache import ValidatedDocument
    from schema.schema import JobSchema

# What clients with automatic persisted queries (Apollo, urql) know: they send the query then, and no more hashes.
_NOT_SUPPORTED = ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")


class OperationRequest(NamedTuple):
    """A request of one operation.

    Args:
        query: the text of the document.
        operation_name: None: the document has one operation.
        variables: as the client sent them.
        extensions: as the client sent them.
        document: may have errors. None: it has a syntax error or is too long. Execution reports both.
        operation: the one to execute. None without a document.
    """

    query: str
    operation_name: str | None
    variables: dict[str, Any] | None
    extensions: dict[str, Any] | None
    document: ValidatedDocument | None
    operation: OperationDefinitionNode | None

    @property
    def kind(self) -> OperationType | None:
        """The type of the operation, None without a document."""
        return None if self.operation is None else self.operation.operation


class RequestReader:
    """Finds the document and the operation of a request."""

    def __init__(self, schema: JobSchema, documents: PersistedDocuments) -> None:
        self._schema = schema
        self._documents = documents

    def read(self, parameters: Mapping[str, Any]) -> OperationRequest:
        """The request with these parameters of the GraphQL over HTTP specification, and documentId.

        Raises:
            RequestRefused: a parameter has another type, or which operation to execute is not clear.
        """
        check_parameters(parameters)
        query = self._documents.resolve(parameters.get("query"), parameters.get("documentId"))
        name, extensions = parameters.get("operationName"), parameters.get("extensions")
        if not query:
            raise _without_query(extensions or {})
        document, operation = self._selected(query, name)
        return OperationRequest(query, name, parameters.get("variables"), extensions, document, operation)

    def _selected(
        self, query: str, name: str | None
    ) -> tuple[ValidatedDocument, OperationDefinitionNode] | tuple[None, None]:
        try:
            document = self._schema.validated(query)
        except GraphQLError:
            return None, None
        operation = document.operations.get(name)
        if operation is None:
            raise _without_operation(document, name)
        return document, operation


def _without_query(extensions: Mapping[str, Any]) -> RequestRefused:
    if extensions.get("persistedQuery") is not None:
        # As from Apollo's servers, not an error of HTTP: clients would not look into its body.
        return RequestRefused(HTTPStatus.OK, *_NOT_SUPPORTED)
    return RequestRefused(HTTPStatus.BAD_REQUEST, "query is missing or empty")


def _without_operation(document: ValidatedDocument, name: str | None) -> RequestRefused:
    if name is not None:
        message = f'Unknown operation named "{name}".'
    elif document.operations:
        message = "The document has more than one operation: send operationName."
    else:
        message = "The document has no operation."
    return RequestRefused(HTTPStatus.BAD_REQUEST, message)
