"""The cost of operations: what it counts, and that it is cached with the document if no variable changes it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schema.limits.operations import SCHEMA, execute, refusal

EXPENSIVE = "{ jobs(first: 1000) { edges { node { primes(first: 1000) { values } } } } }"
PAGES = "query ($n: Int, $m: Int = 1000) { jobs(first: $n) { edges { node { primes(first: $m) { values } } } } }"


@pytest.mark.parametrize(
    "variables", [{"n": 1_000}, {}, {"n": None}, {"n": 1_000.0, "m": 100}, {"n": 10**400}, {"n": "all"}]
)
async def test_cost_that_depends_on_variables_is_not_cached_with_the_document(variables: dict[str, Any]) -> None:
    for _ in range(2):
        assert (await refusal(PAGES, **variables))["limit"] == "cost"
        result = await execute(PAGES, n=1, m=1)
        assert not [error for error in result.errors or [] if "cost" in error.message]


async def test_cost_of_a_document_without_variables_stays_the_same() -> None:
    for _ in range(3):
        assert (await refusal(EXPENSIVE))["limit"] == "cost"
        assert (await execute("{ __typename }")).errors is None


COSTS = [
    ("{ __typename }", 1),
    ("{ limits { maxCount maxPageSize } }", 3),
    ("{ job(id: 1) { id status } }", 12),
    ("{ jobs(first: 5) { totalCount edges { node { id } } } }", 10 + 1 + 1 + 5 * 3),
    ("{ jobs { edges { cursor } } }", 10 + 1 + 100 * 2),
    ("{ job(id: 1) { primes(last: 7) { values pageInfo { endCursor } } } }", 10 + 10 + 1 + 7 + 2),
    ("{ nodes(ids: [1, 2, 3]) { id } }", 10 + 3 * 2),
    ("{ jobs(first: 5) { ...E } } fragment E on JobConnection { edges { cursor } }", 10 + 1 + 5 * 2),
    ("{ jobs(first: -5) { edges { cursor } } }", 10 + 1),
    ("{ jobs(first: 99999999999999) { edges { cursor } } }", 10 + 1 + 1_000 * 2),
    ("{ system { workers { name } } }", 10 + 1 + 10 * 2),
    ("mutation { a: cancelJob(id: 1) { __typename } b: cancelJob(id: 2) { __typename } }", 2 * (1_000 + 1)),
]


@pytest.mark.parametrize(("query", "cost"), COSTS, ids=lambda value: str(value)[:50])
async def test_cost_of_an_operation_is_the_number_of_values_in_its_response(query: str, cost: int) -> None:
    assert SCHEMA.documents.validated(SCHEMA._schema, query).costs.of(None, None) == cost  # noqa: SLF001
