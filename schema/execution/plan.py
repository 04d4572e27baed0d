"""The plans of a document: each operation is compiled when it is executed first, and again for other conditions.

What plans do not have, such as introspection and variables that do not fit their types, is left to graphql-core.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

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

# Fields in all plans of a document, where an abstract type has its fields once for each of its types. Each takes about
# 2.5 kilobytes.
_MAX_FIELDS = 250


class DocumentPlans:
    """The plans of a valid document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._document = document
        self._operations: dict[str | None, _Operation] = {}
        self._fields_left = _MAX_FIELDS

    def execute(self, operation_name: str | None, given: Values, context: object) -> Result:
        """Execute an operation with the variables as a client sent them. None if there is no plan for it."""
        operation = self._operation(operation_name)
        values = None if operation is None else operation.variables.coerce(given)
        if operation is None or values is None:
            return None
        return self._execute(operation, Run(context, values), None)

    def execute_coerced(
        self, operation_name: str | None, values: Values, context: object, root_value: object
    ) -> Result:
        """Execute an operation with variables that graphql-core has coerced. None if there is no plan for it."""
        operation = self._operation(operation_name)
        return None if operation is None else self._execute(operation, Run(context, values), root_value)

    def _operation(self, name: str | None) -> _Operation | None:
        operation = self._operations.get(name)
        if operation is None and (node := get_operation_ast(self._document, name)) is not None:
            variables = OperationVariables(self._schema, self._document, node)
            operation = self._operations[name] = _Operation(node, variables, {})
        return operation

    def _execute(self, operation: _Operation, run: Run, root_value: object) -> Result:
        conditions = operation.variables.conditions(run.variables)
        key = tuple(conditions.values())
        if key not in operation.plans and self._fields_left > 0:
            operation.plans[key] = self._compiled(operation.node, conditions)
        plan = operation.plans.get(key)
        return None if plan is None else _executed(plan, run, root_value)

    def _compiled(self, node: OperationDefinitionNode, conditions: Values) -> Execute | None:
        fragments = {
            definition.name.value: definition
            for definition in self._document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        compiler = Compiler(self._schema, fragments, node, conditions, self._fields_left)
        try:
            return compiler.compile()
        except (NotCompilableError, GraphQLError):
            return None
        finally:
            self._fields_left -= compiler.fields + 1


class _Operation(NamedTuple):
    """An operation, and its plans by the values of the variables in its conditions."""

    node: OperationDefinitionNode
    variables: OperationVariables
    plans: dict[tuple[object, ...], Execute | None]


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
