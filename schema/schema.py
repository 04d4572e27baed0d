"""Composition of the schema: root types, extensions and limits. `python -m schema` prints it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import strawberry
from graphql import ExecutionResult, GraphQLError, execute
from strawberry.schema.config import StrawberryConfig

from schema.context import Context
from schema.errors.convert import add_codes
from schema.errors.masking import log_unexpected_errors, masked
from schema.execution.executor import executor_class
from schema.limits.document_cache import DocumentCache
from schema.limits.extension import LimitsExtension, add_missing_codes, timeout_error
from schema.limits.settings import OperationLimits
from schema.operations.mutation import Mutation
from schema.operations.query import Query
from schema.operations.stream_end import while_accessible
from schema.operations.subscription import Subscription
from schema.telemetry import OperationTelemetry, measured, record_errors
from schema.types.job import Job
from schema.types.scalars import SCALARS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphql.pyutils import AwaitableOrValue
    from strawberry.schema.schema import StreamResult
    from strawberry.types import ExecutionContext
    from strawberry.types.graphql import OperationType

    from schema.limits.document_cache import ValidatedDocument


class JobSchema(strawberry.Schema):
    """The schema with limits, a cache of documents, and a log of unexpected errors only."""

    def __init__(self, limits: OperationLimits, *, production: bool) -> None:
        self.documents = DocumentCache(limits, production=production)
        self._limits = limits
        self._production = production
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            types=[Job],
            config=StrawberryConfig(scalar_map=SCALARS),
            execution_context_class=executor_class(self.documents.plans),
            extensions=[OperationTelemetry, lambda: LimitsExtension(self.documents, limits)],
        )

    def validated(self, text: str) -> ValidatedDocument:
        """A document, parsed and validated.

        Raises:
            GraphQLError: it is too long or has a syntax error.
        """
        return self.documents.validated(self._schema, text)

    async def execute_operation(
        self,
        document: ValidatedDocument,
        context: Context,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
    ) -> ExecutionResult:
        """Execute a query or mutation that is valid and within the limits, as `execute` does with its extensions."""
        operation, seconds = document.operations[operation_name], self._limits.execution_timeout
        with measured(operation):
            try:
                result = self.execute_validated(document, context, variables, operation_name)
                if not isinstance(result, ExecutionResult):
                    async with asyncio.timeout(seconds):
                        result = await result
            except TimeoutError:
                result = ExecutionResult(None, [timeout_error(seconds)])
            except Exception as error:  # noqa: BLE001 - a bug outside of resolvers, logged as an error of the result
                result = ExecutionResult(None, [GraphQLError(str(error), original_error=error)])
            if result.errors:
                self._process_operation_errors(result.errors, operation.name.value if operation.name else None)
            return result

    def execute_validated(
        self,
        document: ValidatedDocument,
        context: Context,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
    ) -> AwaitableOrValue[ExecutionResult]:
        """Execute a query or mutation of a document without errors, as `execute` does after its extensions.

        The result's errors are as the resolvers raised them: see process_errors.
        """
        variables = variables or {}
        result = document.plans.execute(operation_name, variables, context)
        if result is not None:
            return result
        return execute(
            self._schema,
            document.node,
            context_value=context,
            variable_values=dict(variables),
            operation_name=operation_name,
            executor_class=self.execution_context_class,
            operation_extensions=None,
        )

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,  # noqa: ANN401
        root_value: Any | None = None,  # noqa: ANN401
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> StreamResult:
        """Execute an operation on a streaming transport, as long as its caller has access."""
        results = await super().stream(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            operation_extensions,
            allowed_operation_types,
        )
        access = context_value.access if isinstance(context_value, Context) else None
        return results if access is None else while_accessible(access, results)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Process the errors of an operation that Strawberry executed, or did not execute."""
        self._process_operation_errors(errors, None if execution_context is None else execution_context.operation_name)

    def _process_operation_errors(self, errors: list[GraphQLError], operation_name: str | None) -> None:
        """Log and mask unexpected errors, record the outcome, and add missing codes."""
        log_unexpected_errors(errors, operation_name)
        record_errors(errors)
        add_codes(errors)
        add_missing_codes(errors, production=self._production)
        # In place, since this is the list of the result. Strawberry's own extension does not see every error.
        errors[:] = map(masked, errors)


def build_schema(limits: OperationLimits | None = None, *, production: bool = False) -> JobSchema:
    """The schema as the API serves it.

    Args:
        limits: the limits of one operation. None: the defaults.
        production: whether introspection is disabled and error messages do not describe the schema.
    """
    return JobSchema(limits or OperationLimits(), production=production)
