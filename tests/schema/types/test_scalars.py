"""SafeInt and DateTime, as variables and as literals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st
from strawberry.schema.config import StrawberryConfig

from schema.types.scalars import LARGEST_SAFE_INT, SCALARS, SafeInt

safe_int = SCALARS[SafeInt]
moment = SCALARS[datetime]


@strawberry.type
class Query:
    @strawberry.field
    def same(self, value: SafeInt) -> SafeInt:
        return value


schema = strawberry.Schema(query=Query, config=StrawberryConfig(scalar_map=SCALARS))


def parse(definition: Any, value: object) -> Any:
    return definition.parse_value(value)


@given(st.integers(-LARGEST_SAFE_INT, LARGEST_SAFE_INT))
def test_safe_int_is_the_same_number_in_every_form(number: int) -> None:
    assert parse(safe_int, number) == number
    assert parse(safe_int, str(number)) == number
    for literal in (str(number), f'"{number}"'):
        result = schema.execute_sync(f"{{ same(value: {literal}) }}")
        assert result.data == {"same": number}


def test_whole_float_is_accepted_as_safe_int() -> None:
    assert parse(safe_int, 5.0) == 5


@pytest.mark.parametrize(
    "value",
    [True, False, None, 1.5, float("nan"), float("inf"), "", "1.0", "1e3", " 1", "٣", "x" * 10_000, [], {}, [1]],
)
def test_value_that_is_not_a_whole_number_is_refused_in_a_short_message(value: object) -> None:
    with pytest.raises(GraphQLError, match="must be a whole number") as refusal:
        parse(safe_int, value)
    assert len(refusal.value.message) < 150


def test_refused_value_is_quoted() -> None:
    for value, quoted in ((True, "True"), (1.5, "1.5"), ("x", "x"), (2**53, str(2**53))):
        with pytest.raises(GraphQLError, match=f"SafeInt is {quoted}, must be"):
            parse(safe_int, value)


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), 10**30, -(10**5000), str(2**53)], ids=lambda value: str(type(value))
)
def test_number_beyond_two_to_the_53_is_refused_with_the_bound(value: object) -> None:
    with pytest.raises(GraphQLError, match=str(LARGEST_SAFE_INT)) as refusal:
        parse(safe_int, value)
    assert len(refusal.value.message) < 150


@pytest.mark.parametrize("literal", ["9" * 5000, "-9007199254740992", "1.5", "true", '"a"', "[1]", "{a: 1}", "A"])
def test_literal_that_is_not_a_safe_int_is_a_request_error(literal: str) -> None:
    result = schema.execute_sync(f"{{ same(value: {literal}) }}")
    assert result.errors is not None
    assert "SafeInt" in result.errors[0].message
    assert len(result.errors[0].message) < 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31t12:00:00.250z", datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-01-31T13:00:00+01:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_date_time_is_accepted_in_any_time_zone(text: str, expected: datetime) -> None:
    assert parse(moment, text) == expected


@pytest.mark.parametrize(
    "value", ["2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "0001-01-01T00:00:00+23:59", "now", 0, None]
)
def test_invalid_date_time_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError, match="DateTime is"):
        parse(moment, value)


def test_date_time_is_sent_in_utc_with_milliseconds() -> None:
    assert moment.serialize is not None
    assert moment.serialize(datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)) == "2026-01-31T12:00:00.123Z"
