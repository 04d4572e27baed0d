"""What happens to an operation before it is executed, and how long it may be executed: the same on every transport."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from schema.errors.masking import is_unexpected
from schema.limits.settings import (
    INVALID_SYNTAX,
    INVALID_VARIABLES,
    LIMIT_EXCEEDED,
    LONGEST_MESSAGE,
    TIMEOUT,
    LimitExceeded,
)
from schema.limits.variables import check_variables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from schema.limits.document_cache import DocumentCache
    from schema.limits.settings import OperationLimits

# How the parser's refusals end: of length, tokens and nesting, as opposed to what is not GraphQL.
_PARSING_ABORTED = "Parsing aborted."


class LimitsExtension(SchemaExtension):
    """Lets an operation be executed that is valid and within its limits. A new one for each operation."""

    def __init__(self, documents: DocumentCache, limits: OperationLimits) -> None:
        self._documents = documents
        self._limits = limits

    def on_operation(self) -> Iterator[None]:
        """Give the parser its limits."""
        self.execution_context.parse_options.update(self._documents.parse_options)  # type: ignore[typeddict-item]
        yield

    def on_parse(self) -> Iterator[None]:
        """Put the parsed document into the context.

        One with a syntax error is left to the parser behind this: raised from here, the error would be a fault of the
        stream that a subscription is, and not an answer to it.
        """
        context = self.execution_context
        if context.query:
            with suppress(GraphQLError):
                context.graphql_document = self._documents.parsed(context.query)
        yield

    def on_validate(self) -> Iterator[None]:
        """Refuse what is not valid, or beyond a limit. What depends on variables is never remembered."""
        self.execution_context.pre_execution_errors = self._errors()
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """End a query or mutation that takes too long. A subscription only begins here."""
        context = self.execution_context
        if context.operation_type is OperationType.SUBSCRIPTION:
            yield
            return
        try:
            async with asyncio.timeout(self._limits.execution_seconds):
                yield
        except TimeoutError as error:
            message = f"the operation was given up after {self._limits.execution_seconds:g} s"
            raise GraphQLError(message, extensions={"code": TIMEOUT}) from error

    def _errors(self) -> list[GraphQLError]:
        context = self.execution_context
        judged = self._documents.judged(context.schema._schema, context.query or "")  # noqa: SLF001 - as in Strawberry's
        if judged.errors:
            return list(judged.errors)
        try:
            check_variables(context.variables, self._limits)
            cost = judged.costs.of(context.operation_name, context.variables)
            if cost > self._limits.max_cost:
                counted = f"about {cost} values"
                raise LimitExceeded("cost", counted, self._limits.max_cost)
        except GraphQLError as error:
            # Its traceback leads to the variables, in a circle that would keep them until the collector finds it.
            return [error.with_traceback(None)]
        return []


def add_missing_codes(errors: Iterable[GraphQLError], *, production: bool) -> None:
    """Give a code to errors of requests that have none yet: those of parsing and of variables."""
    for error in errors:
        named = error.extensions and "code" in error.extensions
        if named or error.path is not None or is_unexpected(error):
            continue
        if isinstance(error, GraphQLSyntaxError):
            limited = error.description.endswith(_PARSING_ABORTED)
            error.extensions = {"code": LIMIT_EXCEEDED if limited else INVALID_SYNTAX}
        else:
            error.extensions = {"code": INVALID_VARIABLES}
            if production:
                error.message = "The variables do not fit the operation."
        error.message = error.message[:LONGEST_MESSAGE]
