"""Random operations on the whole schema, with their variables.

hypothesis chooses the seed only: drawing each part from it would take ten times as long as executing the operation.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)
from hypothesis import strategies as st

from schema.types.pagination import encode_cursor
from tests.schema.execution.system import IDS, SUCCEEDED

if TYPE_CHECKING:
    from random import Random

    from graphql import GraphQLField, GraphQLSchema

MAX_DEPTH = 4

# Values for each scalar, most of them valid.
SCALARS: dict[str, list[Any]] = {
    "ID": [*["succeeded", "running", "retry"] * 6, *IDS, 5],
    "Int": [0, 1, 2, 3, 10, 2_000, -1, 2**31 - 1],
    "SafeInt": [0, 7, 10**12, "11", -3],
    "Boolean": [True, False],
    "DateTime": ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+02:00"],
    "String": [encode_cursor("prime", 3), encode_cursor("job", SUCCEEDED.id), "", *IDS],
}
INVALID = [None, "x", 2**31, 1.5, True, {"x": 1}, [None]]


@dataclass
class Operation:
    """An operation with its variables, as a client sends them."""

    text: str
    variables: dict[str, Any] = field(default_factory=dict)


@st.composite
def operations(draw: Any, schema: GraphQLSchema, *kinds: str) -> Operation:
    random = draw(st.randoms(use_true_random=True))
    return _Builder(random, schema).operation(random.choice(kinds))


class _Builder:
    """Builds one operation. Some are invalid, for example because fields with one name have different arguments."""

    def __init__(self, random: Random, schema: GraphQLSchema) -> None:
        self.random = random
        self.schema = schema
        self.declarations: list[str] = []
        self.fragments: list[str] = []
        self.variables: dict[str, Any] = {}

    def operation(self, kind: str) -> Operation:
        root: Any = getattr(self.schema, f"{kind}_type")
        if kind == "subscription":
            name = self.random.choice(sorted(root.fields))
            selections = f"{{ {self.field(name, root.fields[name], 0, '')} }}"
        else:
            selections = self.selections(root, 0)
        declarations = f"({', '.join(self.declarations)})" if self.declarations else ""
        return Operation("\n".join([f"{kind} {declarations} {selections}", *self.fragments]), self.variables)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def selections(self, type_: Any, depth: int) -> str:
        return f"{{ {' '.join(self.selection(type_, depth) for _ in range(self.random.choice([1, 1, 2, 3])))} }}"

    def selection(self, type_: Any, depth: int) -> str:
        fields = getattr(type_, "fields", {})
        if depth >= MAX_DEPTH:
            fields = {name: one for name, one in fields.items() if not is_composite_type(get_named_type(one.type))}
        directives = self.directives()
        if self.chance(80 if is_abstract_type(type_) else 15):
            return self.fragment(type_, depth, directives)
        if not fields or self.chance(10):
            return f"__typename {directives}"
        name = self.random.choice(sorted(fields))
        return self.field(name, fields[name], depth, directives)

    def field(self, name: str, definition: GraphQLField, depth: int, directives: str) -> str:
        given = [
            f"{name}: {self.value(argument)}"
            for name, argument in definition.args.items()
            if is_required(argument) or self.chance(40)
        ]
        arguments = f"({', '.join(given)})" if given else ""
        alias = f"{name}{zlib.crc32(arguments.encode())}: " if given else "again: " if self.chance(2) else ""
        named = get_named_type(definition.type)
        inner = self.selections(named, depth + 1) if is_composite_type(named) else ""
        return f"{alias}{name}{arguments} {directives} {inner}"

    def fragment(self, type_: Any, depth: int, directives: str) -> str:
        on = type_
        if is_abstract_type(type_):
            possible = self.schema.get_possible_types(type_)
            on = self.random.choice([*possible, *(one for concrete in possible for one in concrete.interfaces)])
        elif isinstance(type_, GraphQLObjectType) and type_.interfaces and self.chance(30):
            on = self.random.choice(type_.interfaces)
        selections = self.selections(on, depth)
        if self.chance(70):
            condition = "" if on is type_ and self.chance(50) else f"on {on.name}"
            return f"... {condition} {directives} {selections}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {on.name} {selections}")
        return f"...{name} {directives}"

    def directives(self) -> str:
        if not self.chance(15):
            return ""
        condition = GraphQLArgument(GraphQLNonNull(GraphQLBoolean))
        return f"@{self.random.choice(['skip', 'include'])}(if: {self.value(condition)})"

    def value(self, argument: Any) -> str:
        """A literal, or a new variable that has a value, a default or neither."""
        type_ = argument.type
        if self.chance(50):
            return self.literal(type_)
        name = f"v{len(self.declarations)}"
        nullable = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        default = f" = {self.literal(nullable, constant=True)}" if self.chance(40) else ""
        # With a default, a nullable variable is valid for an argument that must not be null.
        declared = nullable if (default and self.chance(60)) or not is_required(argument) else type_
        self.declarations.append(f"${name}: {declared}{default}")
        if not default or self.chance(70):
            self.variables[name] = self.random.choice(INVALID) if self.chance(2) else self.json(nullable)
        return f"${name}"

    def json(self, type_: Any) -> Any:
        """A value of a type in JSON."""
        if isinstance(type_, GraphQLNonNull):
            return self.json(type_.of_type)
        if isinstance(type_, GraphQLList):
            return [self.json(type_.of_type) for _ in range(self.random.randint(0, 3))]
        if isinstance(type_, GraphQLEnumType):
            return self.random.choice(sorted(type_.values))
        if not isinstance(type_, GraphQLInputObjectType):
            return self.random.choice(SCALARS[type_.name])
        return {
            name: None if not isinstance(one.type, GraphQLNonNull) and self.chance(20) else self.json(one.type)
            for name, one in type_.fields.items()
            if is_required(one) or self.chance(50)
        }

    def literal(self, type_: Any, *, constant: bool = False) -> str:
        if isinstance(type_, GraphQLNonNull):
            return self.literal(type_.of_type, constant=constant)
        if isinstance(type_, GraphQLList):
            items = [self.literal(type_.of_type, constant=constant) for _ in range(self.random.randint(0, 3))]
            return f"[{', '.join(items)}]"
        if isinstance(type_, GraphQLInputObjectType):
            given = [
                f"{name}: {self.literal(one.type, constant=True) if constant else self.value(one)}"
                for name, one in type_.fields.items()
                if is_required(one) or self.chance(50)
            ]
            return f"{{{', '.join(given)}}}"
        value = self.json(type_)
        if isinstance(value, bool):
            return str(value).lower()
        return f'"{value}"' if isinstance(value, str) and not isinstance(type_, GraphQLEnumType) else str(value)


def is_required(argument: Any) -> bool:
    return isinstance(argument.type, GraphQLNonNull) and argument.default is None
