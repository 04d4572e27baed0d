"""Custom scalars: SafeInt for whole numbers beyond 32 bits that every client reads exactly, and DateTime in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NewType

import strawberry
from graphql import FloatValueNode, GraphQLError, IntValueNode, StringValueNode, ValueNode, print_ast
from strawberry.types.scalar import ScalarDefinition

LARGEST_SAFE_INT = 2**53 - 1

# A longer decimal string is out of range. It is refused before it is converted.
_DECIMAL = re.compile(r"-?[0-9]{1,17}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
# Characters of an invalid value that its error message repeats.
_MAX_QUOTED_LENGTH = 40

SafeInt = NewType("SafeInt", int)


def milliseconds(duration: timedelta) -> int:
    """A duration as the contract has it: whole milliseconds."""
    return round(duration / timedelta(milliseconds=1))


def _parse_safe_int(value: object) -> int:
    number = value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        number = int(value)
    elif isinstance(value, float) and value.is_integer():
        # JSON does not distinguish 5.0 from 5, and neither does GraphQL's Int.
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise GraphQLError(f"SafeInt is {_quoted(value)}, must be a whole number or a string of its decimal digits.")
    if abs(number) > LARGEST_SAFE_INT:
        raise GraphQLError(f"SafeInt is {_quoted(value)}, must be -{LARGEST_SAFE_INT} to {LARGEST_SAFE_INT}.")
    return number


def _parse_safe_int_literal(node: ValueNode, _variables: object = None) -> int:
    if isinstance(node, IntValueNode):
        # As text: Python refuses to convert thousands of digits.
        if not _DECIMAL.fullmatch(node.value):
            raise GraphQLError(f"SafeInt is {_quoted(node.value)}, must be -{LARGEST_SAFE_INT} to {LARGEST_SAFE_INT}.")
        return _parse_safe_int(int(node.value))
    if isinstance(node, StringValueNode):
        return _parse_safe_int(node.value)
    literal = node.value if isinstance(node, FloatValueNode) else print_ast(node)
    raise GraphQLError(
        f"SafeInt is {_quoted(literal)}, must be a whole number or a string of its decimal digits.", node
    )


def _parse_date_time(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise GraphQLError(f"DateTime is {_quoted(value)}, must have the format of RFC 3339: 2026-01-31T12:00:00.000Z.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise GraphQLError(f"DateTime is {_quoted(value)}: this date or time does not exist.") from error


def _serialize_date_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else hex(value)[:60] if type(value) is int else repr(value)
    if type(value) is int and abs(value) < 10**_MAX_QUOTED_LENGTH:
        text = str(value)
    return text if len(text) <= _MAX_QUOTED_LENGTH else f"{text[:_MAX_QUOTED_LENGTH]}..."


SCALARS: dict[object, ScalarDefinition] = {
    SafeInt: strawberry.scalar(
        name="SafeInt",
        description=(
            "Whole number sent as a JSON number, within +/-(2^53 - 1), so that every client reads it exactly. "
            "Input also accepts a decimal string."
        ),
        serialize=int,
        parse_value=_parse_safe_int,
        parse_literal=_parse_safe_int_literal,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="Date and time in UTC, RFC 3339, with milliseconds.",
        serialize=_serialize_date_time,
        parse_value=_parse_date_time,
    ),
}
