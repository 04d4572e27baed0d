"""Enums of the domain as GraphQL enums: the values are the domain's own, the sentences are the schema's."""

from __future__ import annotations

from enum import StrEnum

import strawberry


def describe_enum(cls: type[StrEnum], name: str, description: str, **values: str) -> None:
    """Register an enum with a sentence for each of its values; one without is an error."""
    registered = strawberry.enum(cls, name=name, description=description)
    for value in registered.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = values[value.name]
