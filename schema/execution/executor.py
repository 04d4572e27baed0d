"""graphql-core's executor, with plans: Strawberry executes queries, mutations and events of subscriptions by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLSchema

    from schema.execution.plan import DocumentPlans


def executor_class(
    plans: Callable[[GraphQLSchema, str], DocumentPlans],
) -> type[StrawberryGraphQLCoreExecutionContext]:
    """The executor class of a schema.

    Args:
        plans: returns the plans of a document by its text.
    """

    class PlanExecutor(StrawberryGraphQLCoreExecutionContext):
        def execute_operation(self, serially: bool | None = None) -> Any:  # noqa: FBT001 - as in graphql-core
            """Execute the operation by its plan, if there is one."""
            location, name = self.operation.loc, self.operation.name
            if location is None or (self.middleware_manager is not None and self.middleware_manager.middlewares):
                return super().execute_operation(serially)
            result = plans(self.schema, location.source.body).execute_coerced(
                None if name is None else name.value, self.variable_values.coerced, self.context_value, self.root_value
            )
            return super().execute_operation(serially) if result is None else result

    return PlanExecutor
