"""What an answer costs: about as many values as it can have, page sizes multiplied, before it is worked out.

A field is 1, and 10 where it asks the job store. Below a page, a list has as many elements as the page may have, which
a literal, a variable or a default says; any other list is taken for 10. Of a type's alternatives all are counted. Each
fragment is walked once, whatever it is spread in: its cost is a sum of two parts, of which a page multiplies one.
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

from schema.types.pagination import DEFAULT_PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLField, GraphQLNamedType, GraphQLSchema, SelectionSetNode, ValueNode

# The arguments that say how many elements a field's lists have.
_SIZES = ("first", "last", "maxBatch")

# A list of which nothing says how long it is: downloads, workers, issues.
_UNSIZED = 10

_FIELD = 1
_STORE_READ = 10

# What the schema tells of itself is as much as there is of it: by milliseconds, as much as so many values.
_INTROSPECTION = {"__schema": 5_000, "__type": 500}


class _Cost(NamedTuple):
    """What a selection costs: a fixed part, and one for each element of the page that it is in."""

    fixed: int = 0
    each: int = 0

    def of(self, elements: int) -> int:
        return self.fixed + elements * self.each

    def plus(self, other: _Cost) -> _Cost:
        return _Cost(self.fixed + other.fixed, self.each + other.each)


class Costs:
    """What the operations of one valid document cost."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, max_page_size: int) -> None:
        self._schema = schema
        self._document = document
        self._max_page_size = max_page_size
        self._fixed: dict[str | None, int] = {}

    def of(self, operation_name: str | None, variables: Mapping[str, object] | None) -> int:
        """What an operation costs with these variables; 0 where there is no such operation."""
        if (known := self._fixed.get(operation_name)) is not None:
            return known
        operation = get_operation_ast(self._document, operation_name)
        root = None if operation is None else self._schema.get_root_type(operation.operation)
        if operation is None or root is None:
            return 0
        walk = _Walk(self._schema, self._document, self._max_page_size, _values(operation, variables or {}))
        cost = walk.cost(operation.selection_set, root).of(_UNSIZED)
        if not walk.depends_on_variables:
            self._fixed[operation_name] = cost
        return cost


class _Walk:
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
        self._known: dict[str, _Cost] = {}

    def cost(self, node: SelectionSetNode, parent: GraphQLNamedType) -> _Cost:
        """What a selection on a type costs."""
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
        if name not in self._known:
            node = self._fragments[name]
            self._known[name] = self.cost(node.selection_set, self._schema.type_map[node.type_condition.name.value])
        return self._known[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> _Cost:
        name = node.name.value
        if name.startswith("__"):
            return _Cost(_INTROSPECTION.get(name, _FIELD))
        # The document is valid, so there is such a field.
        field: GraphQLField = parent.fields[name]  # type: ignore[attr-defined]
        own = _STORE_READ if _reads_the_store(field) else _FIELD
        inner = self.cost(node.selection_set, get_named_type(field.type)) if node.selection_set else _Cost()
        size = self._size(node, field)
        if is_list_type(get_nullable_type(field.type)):
            element = _FIELD + inner.of(_UNSIZED)
            return _Cost(own, element) if size is None else _Cost(own + size * element)
        return _Cost(own + inner.fixed, inner.each) if size is None else _Cost(own + inner.of(size))

    def _size(self, node: FieldNode, field: GraphQLField) -> int | None:
        """How many elements the lists of a field have at most; None where no argument says so."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        sizes = []
        for name, argument in field.args.items():
            if name in _SIZES:
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
        """A page is never larger than allowed: what is beyond is refused by its field, which says so better."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return min(max(value, 0), self._max_page_size) if isinstance(value, int) else self._max_page_size

    def _value(self, node: ValueNode) -> object:
        """An argument's value, as far as its size goes."""
        if isinstance(node, VariableNode):
            self.depends_on_variables = True
            return self._variables.get(node.name.value, Undefined)
        if isinstance(node, NullValueNode):
            return None
        if isinstance(node, ListValueNode):
            return [None] * len(node.values)
        # As text: Python refuses to convert thousands of digits.
        return int(node.value[:20]) if isinstance(node, IntValueNode) else node


def _reads_the_store(field: GraphQLField) -> bool:
    definition = field.extensions.get("strawberry-definition")
    resolver = getattr(definition, "base_resolver", None)
    return bool(getattr(resolver, "is_async", False))


def _values(operation: OperationDefinitionNode, given: Mapping[str, object]) -> dict[str, object]:
    """The variables with their defaults. Not coerced: what does not fit is refused before anything is executed."""
    values: dict[str, object] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        if name in given:
            values[name] = given[name]
        elif definition.default_value is not None:
            values[name] = value_from_ast_untyped(definition.default_value)
    return values
