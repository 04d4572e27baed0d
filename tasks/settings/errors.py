"""Reads settings, for every program: an invalid one is reported in one line with its name, its value and its bound."""

from __future__ import annotations

import sys
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_settings import BaseSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

S = TypeVar("S", bound=BaseSettings)

_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}

# May contain a password, which is not reported.
_SECRET = frozenset({"redis_url", "results_url"})

# Characters of a value in a message.
_MAX_REPORTED = 80


class InvalidSettingError(ValueError):
    """A program can't work with a setting. The message is one line: the variable, its value and its bound."""


def read(settings: type[S], **values: Any) -> S:  # noqa: ANN401 - of any field
    """Read settings from the environment, except those given as values.

    Raises:
        InvalidSettingError: some are invalid.
    """
    try:
        return settings(**values)
    except ValidationError as error:
        raise InvalidSettingError("; ".join(_line(settings, detail) for detail in error.errors())) from None


def read_or_exit(settings: type[S]) -> S:
    """Read settings from the environment, for a program. Exits with one line on standard error if some are invalid."""
    try:
        return read(settings)
    except InvalidSettingError as error:
        sys.exit(f"error: {error}")


def values_of(field: FieldInfo) -> str:
    """The values that a setting can have, e.g. `1 to 64`."""
    kind = next(part for part in _members(field.annotation) if part is not type(None))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind) if value)
    lower, upper = _bound(field, "ge", "gt"), _bound(field, "le", "lt")
    if lower is not None and upper is not None:
        return f"{lower}, at most {upper}" if lower.startswith("more") else f"{lower} to {upper}"
    if lower is not None:
        return lower if lower.startswith("more") else f"at least {lower}"
    return _TYPES.get(kind, "URL")


def _line(settings: type[BaseSettings], detail: ErrorDetails) -> str:
    reason = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        # An error of several settings together: the message names them.
        return reason
    name = str(detail["loc"][0])
    if detail["type"] != "value_error":
        values = values_of(settings.model_fields[name]).replace("`", "")
        reason = f"must be {values}" if values not in _TYPES.values() or values == _TYPES[bool] else reason
    value = str(detail["input"])[:_MAX_REPORTED]
    # On one line, whatever it contains.
    shown = value if value.isprintable() else repr(value)
    return f"{name.upper()} is {'invalid' if name in _SECRET else shown}: {reason}"


def _members(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - any annotation
    if get_origin(annotation) in {Union, UnionType}:
        yield from get_args(annotation)
    else:
        yield annotation


def _bound(field: FieldInfo, inclusive: str, exclusive: str) -> str | None:
    for item in field.metadata:
        # `Field` and `Annotated` may nest the same bounds.
        for constraint in (item, *getattr(item, "metadata", ())):
            if (bound := getattr(constraint, inclusive, None)) is not None:
                return str(bound)
            if (bound := getattr(constraint, exclusive, None)) is not None:
                return f"{'more' if exclusive == 'gt' else 'less'} than {bound}"
    return None
