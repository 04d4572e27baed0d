"""Limits of variables: the length of lists, and what other checks refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schema.limits.operations import cheap, refusal

# The levels that orjson parses.
DEEPEST_JSON = 1_023


def nested_list(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [["x"] * 100_000, {"a": [["x"] * 10_001]}], ids=["list", "inner list"])
async def test_a_long_list_in_variables_is_refused(value: Any) -> None:
    extensions = await refusal("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=value)
    assert (extensions["code"], extensions["limit"]) == ("LIMIT_EXCEEDED", "list items")


@pytest.mark.parametrize(
    "value",
    [
        [["x"] * 9_000] * 7,
        {f"{i}": i for i in range(30_000)},
        [{}] * 10_000,
        [[[]]] * 10_000,
        nested_list(DEEPEST_JSON),
    ],
    ids=["lists together", "object", "objects", "lists of lists", "nesting"],
)
async def test_variables_of_the_size_of_a_request_body_are_refused_by_their_types(value: Any) -> None:
    """MAX_BODY_BYTES bounds them: no limit of their number or nesting is needed."""
    result = await cheap("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=value)
    assert result.errors
    assert {(error.extensions or {})["code"] for error in result.errors} == {"BAD_USER_INPUT"}
    assert all(len(error.message) <= 300 for error in result.errors)


@pytest.mark.parametrize(
    "value", [nested_list(DEEPEST_JSON), [[]] * 10_000, {"a": nested_list(900)}], ids=["nesting", "list", "object"]
)
async def test_nested_variables_of_a_scalar_are_refused(value: Any) -> None:
    result = await cheap("query ($n: SafeInt!) { job(id: 1) { result { indexOf(value: $n) } } }", n=value)
    [error] = result.errors or []
    assert (error.extensions or {})["code"] == "BAD_USER_INPUT"
    assert len(error.message) <= 300
