"""Validation rules beyond those of the GraphQL specification. Their time is linear in the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, ValidationRule

if TYPE_CHECKING:
    from graphql import FieldNode

_SUBMISSION = "generatePrimes"


class OneSubmission(ValidationRule):
    """At most one generatePrimes in a document: aliases must not multiply the work that one request causes."""

    def __init__(self, context: Any) -> None:  # noqa: ANN401 - graphql-core's own signature
        super().__init__(context)
        self._first: FieldNode | None = None

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Report an error for every submission but the first."""
        if node.name.value != _SUBMISSION:
            return
        if self._first is None:
            self._first = node
            return
        message = f"{_SUBMISSION} may occur once in a document: send one request per job."
        self.report_error(GraphQLError(message, [self._first, node]))
