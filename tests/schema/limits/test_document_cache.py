"""Validation of documents: introspection, and the errors that clients get with and without PRODUCTION."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query

from schema.schema import build_schema
from tests.schema.limits.operations import execute


async def test_introspection_query_of_explorers_is_within_the_limits() -> None:
    everything = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    assert (await execute(everything)).errors is None


@pytest.mark.parametrize("query", ["{ __schema { types { name } } }", '{ __type(name: "Job") { name } }'])
async def test_introspection_is_refused_in_production(query: str) -> None:
    production = build_schema(production=True)
    refused = await execute(query, production)
    assert refused.data is None
    assert {(error.extensions or {})["code"] for error in refused.errors or []} == {"GRAPHQL_VALIDATION_FAILED"}
    assert (await execute("{ __typename }", production)).errors is None


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ limit { maxCount } }", {}),
        ("mutation { cancelJob { __typename } }", {}),
        ("mutation { generatePrimes(input: {cont: 1}) { __typename } }", {}),
        ("mutation ($i: GeneratePrimesInput!) { generatePrimes(input: $i) { __typename } }", {"i": {"cont": 1}}),
    ],
)
async def test_errors_in_production_do_not_describe_the_schema(query: str, variables: dict[str, Any]) -> None:
    open_result = await execute(query, **variables)
    production = await execute(query, build_schema(production=True), **variables)
    assert any(word in str(open_result.errors) for word in ("limits", "id", "count"))
    assert production.errors
    for error in production.errors:
        assert error.extensions
        assert "code" in error.extensions
        assert error.message in {"The document does not fit the schema.", "The variables do not fit the operation."}


async def test_at_most_five_validation_errors_are_reported_and_each_is_short() -> None:
    result = await execute("{ " + " ".join(f"x{'y' * 400}{i}" for i in range(15)) + " }")
    assert result.errors
    assert len(result.errors) == 6  # the last one reports that there are more
    assert all(len(error.message) <= 300 for error in result.errors)
