"""Validation rules of our own, each linear in the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, ValidationRule

if TYPE_CHECKING:
    from graphql import FieldNode

_SUBMISSION = "generatePrimes"


class OneSubmission(ValidationRule):
    """At most one generatePrimes a document: aliases must not multiply the work that one request may cause."""

    def __init__(self, context: Any) -> None:  # noqa: ANN401 - graphql-core's own signature
        super().__init__(context)
        self._seen: FieldNode | None = None

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Refuse the second submission."""
        if node.name.value != _SUBMISSION:
            return
        if self._seen is not None:
            self.report_error(
                GraphQLError(f"{_SUBMISSION} may stand once in a document: send one request a job.", [self._seen, node])
            )
        self._seen = node
