"""Parsed and validated documents, kept by their text: clients send a few documents again and again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from schema.error_codes import INVALID_DOCUMENT, MAX_MESSAGE_LENGTH
from schema.execution.plan import DocumentPlans
from schema.limits.cost import OperationCosts
from schema.limits.document_size import check_document
from schema.limits.rules import OneSubmission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLSchema

    from schema.limits.settings import OperationLimits

# Documents. The token limit keeps each below a third of a megabyte.
_CACHE_SIZE = 64

# Errors reported for a document. Each takes about a kilobyte.
_MAX_ERRORS = 5

_RULES = (*specified_rules, OneSubmission, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class ValidatedDocument:
    """The result of validation: errors, or the document with the costs and the plans of its operations.

    `operations` has them by their names, and that of a document with one operation by None, too.
    """

    node: DocumentNode
    errors: tuple[GraphQLError, ...]
    costs: OperationCosts
    plans: DocumentPlans
    operations: Mapping[str | None, OperationDefinitionNode]


class DocumentCache:
    """The most recently used documents."""

    def __init__(self, limits: OperationLimits, *, production: bool) -> None:
        self._limits = limits
        self._production = production
        self._rules = (*_RULES, NoSchemaIntrospectionCustomRule) if production else _RULES
        self.parse_options: dict[str, Any] = {
            "max_source_length": limits.max_document_length,
            "max_tokens": limits.max_tokens,
        }
        self._parsed = lru_cache(maxsize=_CACHE_SIZE)(self._parse)
        self.validated = lru_cache(maxsize=_CACHE_SIZE)(self._validate)

    def parsed(self, text: str) -> DocumentNode:
        """A document, parsed.

        Raises:
            GraphQLError: it is too long or has a syntax error.
        """
        # The text of one that is too long must not become a key of the cache.
        parsed = self._parse(text) if len(text) > self._limits.max_document_length else self._parsed(text)
        if isinstance(parsed, GraphQLError):
            raise parsed.with_traceback(None)
        return parsed

    def _parse(self, text: str) -> DocumentNode | GraphQLError:
        try:
            return parse(text, **self.parse_options)
        except GraphQLError as error:
            # The traceback would keep the parser alive.
            return error.with_traceback(None)

    def _validate(self, schema: GraphQLSchema, text: str) -> ValidatedDocument:
        """Validate a document that has been parsed."""
        document = self.parsed(text)
        costs = OperationCosts(schema, document, self._limits.max_page_size)
        plans = DocumentPlans(schema, document)
        operations = _operations(document)
        try:
            check_document(document, self._limits)
        except GraphQLError as error:
            return ValidatedDocument(document, (error.with_traceback(None),), costs, plans, operations)
        errors = validate(schema, document, self._rules, _MAX_ERRORS, hide_suggestions=self._production)
        published = tuple(self._published(error) for error in errors)
        return ValidatedDocument(document, published, costs, plans, operations)

    def plans(self, schema: GraphQLSchema, text: str) -> DocumentPlans:
        """The plans of a document that has been validated."""
        return self.validated(schema, text).plans

    def _published(self, error: GraphQLError) -> GraphQLError:
        """A validation error for the client: in production its position only, since its text describes the schema."""
        message = "The document does not fit the schema." if self._production else error.message
        message = message[:MAX_MESSAGE_LENGTH]
        return GraphQLError(message, error.nodes, error.source, error.positions, extensions={"code": INVALID_DOCUMENT})


def _operations(document: DocumentNode) -> dict[str | None, OperationDefinitionNode]:
    found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    operations: dict[str | None, OperationDefinitionNode] = {node.name.value: node for node in found if node.name}
    return operations | {None: found[0]} if len(found) == 1 else operations
