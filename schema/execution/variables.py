"""Variables of an operation: their coercion, and those that decide which fields it has (@skip and @include)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import (
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLSkipDirective,
    Undefined,
    Visitor,
    coerce_input_value,
    is_non_null_type,
    visit,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.utilities.coerce_input_value import coerce_default_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import (
        DirectiveNode,
        DocumentNode,
        GraphQLInputType,
        GraphQLSchema,
        Node,
        OperationDefinitionNode,
        VariableNode,
    )

Values: TypeAlias = "Mapping[str, Any]"


class OperationVariables:
    """The variables of a valid operation."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._declared: list[tuple[str, GraphQLInputType, Any]] = []
        for node in operation.variable_definitions or ():
            signature = get_variable_signature(schema, node)
            if isinstance(signature, GraphQLError):
                raise signature
            self._declared.append((signature.name, signature.type, coerce_default_value(signature)))
        in_conditions = _find(document).in_conditions
        self._conditions = [name for name, _, _ in self._declared if name in in_conditions]

    def coerce(self, given: Values) -> Values | None:
        """The values for resolvers. None if one does not fit its type: graphql-core has the errors for that."""
        values: dict[str, Any] = {}
        for name, type_, default in self._declared:
            value = given.get(name, Undefined)
            if value is not Undefined:
                value = coerce_input_value(value, type_)
            elif default is not Undefined:
                value = default
            elif not is_non_null_type(type_):
                continue
            if value is Undefined:
                return None
            values[name] = value
        return values

    def conditions(self, values: Values) -> Values:
        """The variables of @skip and @include."""
        return {name: values.get(name) for name in self._conditions}


def has_variables(node: Node) -> bool:
    """Whether a value contains variables."""
    return bool(_find(node).names)


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.in_conditions: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.add(node.name.value)

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        if node.name.value in {GraphQLSkipDirective.name, GraphQLIncludeDirective.name}:
            for argument in node.arguments or ():
                self.in_conditions |= _find(argument).names


def _find(node: Node) -> _Variables:
    found = _Variables()
    visit(node, found)
    return found
