"""The printed schema is committed, has everything in the contract, and describes each element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLSchema, is_specified_scalar_type, print_ast
from graphql import build_schema as parse_schema

from schema.schema import build_schema
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMITTED = (ROOT / "schema/schema.graphql").read_text(encoding="utf-8")
CONTRACT = (ROOT / "tests/schema/contract.graphql").read_text(encoding="utf-8")


def test_committed_schema_is_the_one_that_is_served() -> None:
    assert f"{build_schema().as_str().strip()}\n" == COMMITTED, "run `python -m schema > schema/schema.graphql`"


def test_schema_has_everything_in_the_contract() -> None:
    """tests/schema/contract.graphql is the contract until there is a release: see schema.breaking_changes."""
    actual = set(facts(parse_schema(COMMITTED)))
    expected = list(facts(parse_schema(CONTRACT)))
    assert len(expected) > 250
    assert [fact for fact in expected if fact not in actual] == []


def test_every_type_field_argument_and_enum_value_has_a_description() -> None:
    assert [name for name, description in everything(parse_schema(COMMITTED)) if not description] == []


def test_each_mutation_returns_a_union_whose_failures_are_user_errors() -> None:
    schema = parse_schema(COMMITTED)
    assert schema.mutation_type is not None
    user_error = schema.type_map["UserError"]
    for name, field in schema.mutation_type.fields.items():
        accepted, *failures = getattr(field.type, "of_type").types  # noqa: B009 - a non-null union
        assert accepted.name.endswith("Accepted"), name
        assert all(user_error in failure.interfaces for failure in failures), name


def everything(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    for name, type_ in schema.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(type_):
            continue
        yield name, type_.description
        members = {**getattr(type_, "fields", {}), **getattr(type_, "values", {})}
        for member, definition in members.items():
            yield f"{name}.{member}", definition.description
            for argument, value in getattr(definition, "args", {}).items():
                yield f"{name}.{member}({argument})", value.description


def facts(schema: GraphQLSchema) -> Iterator[str]:
    """Everything that a client can rely on, one line each."""
    for name, type_ in schema.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(type_):
            continue
        yield f"{type(type_).__name__} {name}"
        yield from (f"{name} implements {other.name}" for other in getattr(type_, "interfaces", ()))
        yield from (f"{name} has member {other.name}" for other in getattr(type_, "types", ()))
        yield from (f"{name} has value {value}" for value in getattr(type_, "values", ()))
        for field, definition in getattr(type_, "fields", {}).items():
            yield f"{name}.{field}: {definition.type}{default(definition)}"
            for argument, value in getattr(definition, "args", {}).items():
                yield f"{name}.{field}({argument}: {value.type}{default(value)})"


def default(definition: Any) -> str:
    """The default of an argument or input field. No default and null are the same to a client."""
    found = getattr(definition, "default", None)
    value = "null" if found is None else print_ast(found.literal)
    return "" if value == "null" else f" = {value}"
