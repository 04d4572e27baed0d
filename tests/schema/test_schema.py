"""The printed schema is the manual and the contract: it is committed, complete and described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import GraphQLSchema, is_specified_scalar_type
from graphql import build_schema as parse_schema

from schema import build_schema
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMITTED = (ROOT / "schema/schema.graphql").read_text(encoding="utf-8")


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    assert f"{build_schema().as_str().strip()}\n" == COMMITTED, "run `python -m schema > schema/schema.graphql`"


def test_every_type_field_argument_and_enum_value_is_described() -> None:
    assert [name for name, description in everything(parse_schema(COMMITTED)) if not description] == []


def test_each_mutation_gives_a_union_whose_failures_are_user_errors() -> None:
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
