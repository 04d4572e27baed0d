"""The plans of a document: each operation is compiled when it is executed first, and again for other conditions.

What plans do not have, such as introspection and variables that do not fit their types, is left to graphql-core.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import ExecutionResult, FragmentDefinitionNode, GraphQLError, get_operation_ast

from schema.execution.arguments import NotCompilableError
from schema.execution.compiler import Compiler
from schema.execution.run import Run
from schema.execution.variables import OperationVariables

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode
    from graphql.pyutils import AwaitableOrValue

    from schema.execution.run import Execute
    from schema.execution.variables import Values

# None: there is no plan.
Result: TypeAlias = "AwaitableOrValue[ExecutionResult] | None"

# Plans of one operation, for different values of the variables in @skip and @include.
_MAX_PLANS = 8


class DocumentPlans:
    """The plans of a valid document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._document = document
        self._operations: dict[str | None, _Operation] = {}

    def execute(self, operation_name: str | None, given: Values, context: object) -> Result:
        """Execute an operation with the variables as a client sent them. None if there is no plan for it."""
        operation = self._operation(operation_name)
        values = None if operation is None else operation.variables.coerce(given)
        return None if operation is None or values is None else operation.execute(Run(context, values), None)

    def execute_coerced(
        self, operation_name: str | None, values: Values, context: object, root_value: object
    ) -> Result:
        """Execute an operation with variables that graphql-core has coerced. None if there is no plan for it."""
        operation = self._operation(operation_name)
        return None if operation is None else operation.execute(Run(context, values), root_value)

    def _operation(self, name: str | None) -> _Operation | None:
        operation = self._operations.get(name)
        if operation is None and (node := get_operation_ast(self._document, name)) is not None:
            operation = self._operations[name] = _Operation(self._schema, self._document, node)
        return operation


class _Operation:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, node: OperationDefinitionNode) -> None:
        self._schema = schema
        self._node = node
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self.variables = OperationVariables(schema, document, node)
        self._plans: dict[tuple[object, ...], Execute | None] = {}

    def execute(self, run: Run, root_value: object) -> Result:
        conditions = self.variables.conditions(run.variables)
        key = tuple(conditions.values())
        if key not in self._plans and len(self._plans) < _MAX_PLANS:
            self._plans[key] = self._compiled(conditions)
        plan = self._plans.get(key)
        return None if plan is None else _executed(plan, run, root_value)

    def _compiled(self, conditions: Values) -> Execute | None:
        try:
            return Compiler(self._schema, self._fragments, self._node, conditions).compile()
        except (NotCompilableError, GraphQLError):
            return None


def _executed(plan: Execute, run: Run, root_value: object) -> AwaitableOrValue[ExecutionResult]:
    try:
        data = plan(run, root_value, None)
    except GraphQLError as error:
        return _failed(run, error)
    return _awaited(data, run) if data.__class__ is CoroutineType else ExecutionResult(data, run.errors or None)


async def _awaited(data: Coroutine[Any, Any, dict[str, Any]], run: Run) -> ExecutionResult:
    try:
        return ExecutionResult(await data, run.errors or None)
    except GraphQLError as error:
        return _failed(run, error)


def _failed(run: Run, error: GraphQLError) -> ExecutionResult:
    run.add_error(error, None)
    return ExecutionResult(None, run.errors)
