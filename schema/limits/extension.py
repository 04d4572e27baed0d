"""The limits, applied to each operation before and during execution. Every transport runs them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from schema.error_codes import (
    INVALID_SYNTAX,
    INVALID_VARIABLES,
    LIMIT_EXCEEDED,
    MAX_MESSAGE_LENGTH,
    TIMEOUT,
    has_code,
    is_unexpected,
)
from schema.limits.settings import LimitExceededError
from schema.limits.variables import check_variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from schema.limits.document_cache import DocumentCache, ValidatedDocument
    from schema.limits.settings import OperationLimits

# The parser's messages about length, tokens and nesting end so; those about syntax do not.
_PARSING_ABORTED = "Parsing aborted."


class LimitsExtension(SchemaExtension):
    """Lets valid operations within the limits execute, for a limited time. Each operation has its own instance."""

    def __init__(self, documents: DocumentCache, limits: OperationLimits) -> None:
        self._documents = documents
        self._limits = limits

    def on_operation(self) -> Iterator[None]:
        """Set the parser's limits."""
        self.execution_context.parse_options.update(self._documents.parse_options)  # type: ignore[typeddict-item]
        yield

    def on_parse(self) -> Iterator[None]:
        """Take the parsed document from the cache.

        Strawberry's parser runs after this and reports syntax errors. Raised from here, one would break a subscription
        instead of being sent as its response.
        """
        context = self.execution_context
        if context.query:
            with suppress(GraphQLError):
                context.graphql_document = self._documents.parsed(context.query)
        yield

    def on_validate(self) -> Iterator[None]:
        """Report errors of validation and of limits. Strawberry then skips its own validation and the execution."""
        self.execution_context.pre_execution_errors = self._errors()
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """End a query or mutation at its timeout. A subscription only starts here, so it has none."""
        context = self.execution_context
        if context.operation_type is OperationType.SUBSCRIPTION:
            yield
            return
        seconds = self._limits.execution_timeout
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise timeout_error(seconds) from error

    def _errors(self) -> list[GraphQLError]:
        context = self.execution_context
        schema = context.schema._schema  # noqa: SLF001 - Strawberry's own extensions use it too
        document = self._documents.validated(schema, context.query or "")
        if document.errors:
            return list(document.errors)
        exceeded = exceeded_limit(document, context.operation_name, context.variables, self._limits)
        return [] if exceeded is None else [exceeded]


def timeout_error(seconds: float) -> GraphQLError:
    """The error of an operation that took longer than this."""
    message = f"The operation exceeded its timeout of {seconds:g} s."
    return GraphQLError(message, extensions={"code": TIMEOUT})


def exceeded_limit(
    document: ValidatedDocument, operation_name: str | None, variables: dict[str, Any] | None, limits: OperationLimits
) -> GraphQLError | None:
    """The limit that an operation exceeds with these variables, so that it can't be cached with its document."""
    try:
        check_variables(variables, limits)
        cost = document.costs.of(operation_name, variables)
        if cost > limits.max_cost:
            raise LimitExceededError("cost", f"about {cost} values", limits.max_cost)
    except GraphQLError as error:
        # The traceback refers to the variables in a cycle, which only the garbage collector would end.
        return error.with_traceback(None)
    return None


def add_missing_codes(errors: Iterable[GraphQLError], *, production: bool) -> None:
    """Add a code to errors that graphql-core raised: those of parsing, of variables and of arguments."""
    for error in errors:
        if has_code(error) or is_unexpected(error):
            continue
        if isinstance(error, GraphQLSyntaxError):
            limited = error.description.endswith(_PARSING_ABORTED)
            error.extensions = {"code": LIMIT_EXCEEDED if limited else INVALID_SYNTAX}
        else:
            error.extensions = {"code": INVALID_VARIABLES}
            if production:
                error.message = "The variables do not fit the operation."
        error.message = error.message[:MAX_MESSAGE_LENGTH]
