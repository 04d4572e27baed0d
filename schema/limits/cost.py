"""The cost of an operation: an estimate of the number of values in its response, made before execution.

A field costs 1, a field that reads the job store 10, a mutation 1,000. A list in a page has as many elements as the
page may have by its arguments or their defaults; any other list is taken to have 10. All alternatives of an abstract
type count. Each fragment is walked once, however often it is spread: its cost has a fixed part and one that the size of
the surrounding page multiplies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_list_type,
    value_from_ast_untyped,
)
from graphql.pyutils import Undefined

from schema.limits.settings import DEFAULT_PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLField, GraphQLNamedType, GraphQLSchema, SelectionSetNode, ValueNode

# The arguments that give the number of elements in a field's lists.
_SIZE_ARGUMENTS = ("first", "last", "maxBatch")

# Elements assumed of a list whose size no argument gives: downloads, workers, issues.
_UNSIZED = 10

_FIELD = 1
_STORE_READ = 10
# A document has at most 25 mutations, each of which may add a job or end one.
_MUTATION = 1_000

# Introspection returns what the schema has, whatever the document selects. Values that take as many milliseconds:
_INTROSPECTION = {"__schema": 5_000, "__type": 500}


class _Cost(NamedTuple):
    """The cost of a selection: a fixed part, and one per element of the surrounding page."""

    fixed: int = 0
    per_element: int = 0

    def of(self, elements: int) -> int:
        return self.fixed + elements * self.per_element

    def plus(self, other: _Cost) -> _Cost:
        return _Cost(self.fixed + other.fixed, self.per_element + other.per_element)


class OperationCosts:
    """The costs of the operations in one valid document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, max_page_size: int) -> None:
        self._schema = schema
        self._document = document
        self._max_page_size = max_page_size
        # The costs that no variable changes, by operation name.
        self._constant: dict[str | None, int] = {}

    def of(self, operation_name: str | None, variables: Mapping[str, object] | None) -> int:
        """The cost of an operation with these variables, 0 if the document has no such operation."""
        if (cost := self._constant.get(operation_name)) is not None:
            return cost
        operation = get_operation_ast(self._document, operation_name)
        root = None if operation is None else self._schema.get_root_type(operation.operation)
        if operation is None or root is None:
            return 0
        estimate = _Estimate(self._schema, self._document, self._max_page_size, _values(operation, variables or {}))
        cost = estimate.cost(operation.selection_set, root).of(_UNSIZED)
        if not estimate.depends_on_variables:
            self._constant[operation_name] = cost
        return cost


class _Estimate:
    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, max_page_size: int, variables: Mapping[str, object]
    ) -> None:
        self.depends_on_variables = False
        self._schema = schema
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._max_page_size = max_page_size
        self._variables = variables
        self._fragment_costs: dict[str, _Cost] = {}

    def cost(self, node: SelectionSetNode, parent: GraphQLNamedType) -> _Cost:
        """The cost of the selections on a type."""
        total = _Cost()
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                total = total.plus(self._field(selection, parent))
            elif isinstance(selection, FragmentSpreadNode):
                total = total.plus(self._fragment(selection.name.value))
            else:
                condition = selection.type_condition  # type: ignore[attr-defined]
                on = self._schema.type_map[condition.name.value] if condition else parent
                total = total.plus(self.cost(selection.selection_set, on))  # type: ignore[attr-defined]
        return total

    def _fragment(self, name: str) -> _Cost:
        if name not in self._fragment_costs:
            node = self._fragments[name]
            self._fragment_costs[name] = self.cost(
                node.selection_set, self._schema.type_map[node.type_condition.name.value]
            )
        return self._fragment_costs[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> _Cost:
        name = node.name.value
        if name.startswith("__"):
            return _Cost(_INTROSPECTION.get(name, _FIELD))
        # The document is valid, so the field exists.
        field: GraphQLField = parent.fields[name]  # type: ignore[attr-defined]
        own = self._own_cost(field, parent)
        inner = self.cost(node.selection_set, get_named_type(field.type)) if node.selection_set else _Cost()
        size = self._size(node, field)
        if is_list_type(get_nullable_type(field.type)):
            element = _FIELD + inner.of(_UNSIZED)
            return _Cost(own, element) if size is None else _Cost(own + size * element)
        return _Cost(own + inner.fixed, inner.per_element) if size is None else _Cost(own + inner.of(size))

    def _own_cost(self, field: GraphQLField, parent: GraphQLNamedType) -> int:
        if parent is self._schema.mutation_type:
            return _MUTATION
        return _STORE_READ if _reads_job_store(field) else _FIELD

    def _size(self, node: FieldNode, field: GraphQLField) -> int | None:
        """The maximum number of elements in a field's lists, None if no argument gives it."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        sizes = []
        for name, argument in field.args.items():
            if name in _SIZE_ARGUMENTS:
                value = self._value(given[name]) if name in given else Undefined
                value = argument.default_value if value is Undefined else value
                if value is not None and value is not Undefined:
                    sizes.append(self._bounded(value))
            elif is_list_type(get_nullable_type(argument.type)) and name in given:
                value = self._value(given[name])
                sizes.append(self._bounded(len(value) if isinstance(value, list) else 1))
        if sizes:
            return max(sizes)
        return min(DEFAULT_PAGE_SIZE, self._max_page_size) if "first" in field.args else None

    def _bounded(self, value: object) -> int:
        """At most a page of the maximum size: the field itself refuses a larger one, with a better message."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return min(max(value, 0), self._max_page_size) if isinstance(value, int) else self._max_page_size

    def _value(self, node: ValueNode) -> object:
        """An argument's value, or a list of as many elements. A value without a size is returned as its node."""
        if isinstance(node, VariableNode):
            self.depends_on_variables = True
            return self._variables.get(node.name.value, Undefined)
        if isinstance(node, NullValueNode):
            return None
        if isinstance(node, ListValueNode):
            return [None] * len(node.values)
        # As text: Python refuses to convert thousands of digits.
        return int(node.value[:20]) if isinstance(node, IntValueNode) else node


def _reads_job_store(field: GraphQLField) -> bool:
    definition = field.extensions.get("strawberry-definition")
    resolver = getattr(definition, "base_resolver", None)
    return bool(getattr(resolver, "is_async", False))


def _values(operation: OperationDefinitionNode, given: Mapping[str, object]) -> dict[str, object]:
    """The variables with their defaults, not coerced: execution refuses values that do not fit their types."""
    values: dict[str, object] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in given:
            values[name] = given[name]
        elif definition.default_value is not None:
            values[name] = value_from_ast_untyped(definition.default_value)
    return values
