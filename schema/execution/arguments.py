"""Arguments of resolvers. Constants and defaults are converted once, so resolvers must not change what they get.

graphql-core evaluates what is left: literals that contain variables, and whatever does not fit, for its errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    Undefined,
    VariableNode,
    get_argument_values,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
    is_required_argument,
)
from graphql.execution.values import VariableValues
from strawberry.schema.schema_converter import GraphQLCoreConverter

from schema.execution.variables import has_variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from schema.execution.variables import Values

Arguments: TypeAlias = "Callable[[Values], Values]"

# The key of Strawberry's definition in the extensions of a GraphQL type or field.
DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF


class NotCompilableError(Exception):
    """An operation has something that plans do not have. graphql-core executes it."""


class _Parameter(NamedTuple):
    """A parameter of a resolver: its Python name, and the conversion of a coerced value."""

    name: str
    convert: Callable[[Any], Any]


def compile_arguments(field: GraphQLField, node: FieldNode) -> Arguments:
    """The function from variables to the arguments of a field's resolver, by their Python names."""
    parameters = {
        name: _Parameter(argument.python_name, _converter(declared.type))
        for argument, (name, declared) in zip(field.extensions[DEFINITION].arguments, field.args.items(), strict=True)
    }

    def evaluate(values: Values) -> Values:
        return convert(get_argument_values(field, node, VariableValues({}, cast("dict[str, Any]", values))))

    def convert(found: Values) -> dict[str, Any]:
        return {parameters[name].name: parameters[name].convert(value) for name, value in found.items()}

    given = {argument.name.value: argument for argument in node.arguments or ()}
    varying = {name: argument.value for name, argument in given.items() if has_variables(argument)}
    if not varying:
        constants = evaluate({})
        return lambda _: constants
    variables = {name: value.name.value for name, value in varying.items() if isinstance(value, VariableNode)}
    if len(variables) < len(varying):
        return evaluate

    required = {name for name in variables if is_required_argument(field.args[name])}
    non_null = {name for name in variables if is_non_null_type(field.args[name].type)}
    # Without the variables, the others and the defaults are constant.
    constant_field = GraphQLField(field.type, {name: arg for name, arg in field.args.items() if name not in required})
    constant_node = FieldNode(
        name=node.name, arguments=tuple(argument for name, argument in given.items() if name not in variables)
    )
    constants = convert(get_argument_values(constant_field, constant_node))

    def assemble(values: Values) -> Values:
        arguments = dict(constants)
        for name, variable in variables.items():
            value = values.get(variable, Undefined)
            if (value is None and name in non_null) or (value is Undefined and name in required):
                return evaluate(values)
            if value is not Undefined:
                parameter = parameters[name]
                arguments[parameter.name] = parameter.convert(value)
        return arguments

    return assemble


def _converter(type_: GraphQLInputType) -> Callable[[Any], Any]:
    """The conversion of a coerced value to what a resolver gets: an input object becomes an instance of its class."""
    if is_leaf_type(get_named_type(type_)):
        return _unchanged
    nullable = get_nullable_type(type_)
    definition = nullable.extensions[DEFINITION] if isinstance(nullable, GraphQLInputObjectType) else None
    if definition is None or definition.from_input is not None or definition.is_one_of:
        raise NotCompilableError(f"{type_} needs its own conversion")
    fields = [
        (name, _Parameter(field.python_name, _converter(declared.type)))
        for field, (name, declared) in zip(definition.fields, nullable.fields.items(), strict=True)  # type: ignore[union-attr]
    ]

    def convert(value: Values | None) -> object:
        if value is None:
            return None
        return definition.origin(
            **{parameter.name: parameter.convert(value[name]) for name, parameter in fields if name in value}
        )

    return convert


def _unchanged(value: Any) -> Any:
    return value
