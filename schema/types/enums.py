"""Enums of tasks as GraphQL enums. The values are those of tasks, the descriptions are part of the schema."""

from __future__ import annotations

from enum import StrEnum

import strawberry


def describe_enum(cls: type[StrEnum], name: str, description: str, **values: str) -> None:
    """Register an enum with a description of each value. A value without one raises KeyError."""
    registered = strawberry.enum(cls, name=name, description=description)
    for value in registered.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = values[value.name]
