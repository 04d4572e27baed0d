"""Documents: parsed, measured and validated once, and remembered, since clients send few, over and over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from schema.limits.cost import Costs
from schema.limits.document_size import check_document
from schema.limits.rules import OneSubmission
from schema.limits.settings import INVALID_DOCUMENT, LONGEST_MESSAGE

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLSchema, OperationType

    from schema.limits.settings import OperationLimits

# Distinct documents that are kept: a third of a megabyte each at the most, by the limit of tokens.
_KEPT = 64

# Nobody mends more than these at a time, and each is a kilobyte.
_MAX_ERRORS = 5

_RULES = (*specified_rules, OneSubmission, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class ValidatedDocument:
    """What became of a document: errors, or what its operations cost."""

    errors: tuple[GraphQLError, ...]
    costs: Costs


class DocumentCache:
    """The documents that came lately, by their text."""

    def __init__(self, limits: OperationLimits, *, production: bool) -> None:
        self._limits = limits
        self._production = production
        self._rules = (*_RULES, NoSchemaIntrospectionCustomRule) if production else _RULES
        self.parse_options: dict[str, Any] = {
            "max_source_length": limits.max_document_length,
            "max_tokens": limits.max_tokens,
        }
        self._parsed = lru_cache(maxsize=_KEPT)(self._parse)
        self.judged = lru_cache(maxsize=_KEPT)(self._judge)

    def parsed(self, text: str) -> DocumentNode:
        """A document, parsed.

        Raises:
            GraphQLError: it is too long, or has a syntax error.
        """
        # One that is too long is refused at once, and is no key to be kept.
        parsed = self._parse(text) if len(text) > self._limits.max_document_length else self._parsed(text)
        if isinstance(parsed, GraphQLError):
            raise parsed.with_traceback(None)
        return parsed

    def operation_type(self, text: str, operation_name: str | None) -> OperationType | None:
        """What kind of operation is asked for; None where the document does not say, which is an error of its own."""
        try:
            operation = get_operation_ast(self.parsed(text), operation_name)
        except GraphQLError:
            return None
        return None if operation is None else operation.operation

    def _parse(self, text: str) -> DocumentNode | GraphQLError:
        try:
            return parse(text, **self.parse_options)
        except GraphQLError as error:
            # Its traceback would keep the parser.
            return error.with_traceback(None)

    def _judge(self, schema: GraphQLSchema, text: str) -> ValidatedDocument:
        """Judge a document that has been parsed."""
        document = self.parsed(text)
        costs = Costs(schema, document, self._limits.max_page_size)
        try:
            check_document(document, self._limits)
        except GraphQLError as error:
            return ValidatedDocument((error.with_traceback(None),), costs)
        errors = validate(schema, document, self._rules, _MAX_ERRORS, hide_suggestions=self._production)
        return ValidatedDocument(tuple(self._told(error) for error in errors), costs)

    def _told(self, error: GraphQLError) -> GraphQLError:
        """An error of validation as it is told: in production, where it is and not what the schema has there."""
        message = "The document does not fit the schema." if self._production else error.message
        message = message[:LONGEST_MESSAGE]
        return GraphQLError(message, error.nodes, error.source, error.positions, extensions={"code": INVALID_DOCUMENT})
