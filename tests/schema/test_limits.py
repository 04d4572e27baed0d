"""Limits of documents, variables and answers: what passes, what is refused, and for how little work."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

import pytest
from graphql import get_introspection_query

from schema.context import Bounds, Context
from schema.limits.settings import OperationLimits
from schema.schema import build_schema

if TYPE_CHECKING:
    from strawberry.types import ExecutionResult

    from schema.schema import JobSchema

SCHEMA = build_schema()
WORK_SECONDS = 0.1

# Documents that are refused ask it for nothing, and of the others only the absence of a refusal is looked at.
NO_SERVICE: Any = None


async def execute(query: str, schema: JobSchema = SCHEMA, **variables: Any) -> ExecutionResult:
    return await schema.execute(query, variable_values=variables, context_value=Context(NO_SERVICE, Bounds()))


async def refusal(query: str, schema: JobSchema = SCHEMA, **variables: Any) -> dict[str, Any]:
    """The extensions of the one error; the answer must have been cheap."""
    # Collecting what the tests before this one have left is not its work.
    gc.collect()
    gc.disable()
    try:
        started = time.process_time()
        result = await execute(query, schema, **variables)
        assert time.process_time() - started < WORK_SECONDS
    finally:
        gc.enable()
    assert result.data is None
    [error] = result.errors or []
    assert len(error.message) <= 300
    return dict(error.extensions or {})


def chain(length: int, spreads: int) -> str:
    """Fragments that each spread the next one several times."""
    links = [f"fragment F{i} on Query {{ {f'...F{i + 1} ' * spreads} }}" for i in range(length)]
    return " ".join(["{ ...F0 }", *links, f"fragment F{length} on Query {{ __typename }}"])


LIMITED = {
    "aliases": "{ limits { " + " ".join(f"a{i}: maxCount" for i in range(31)) + " } }",
    "depth": "{ job(id: 1) { " + "retryOf { " * 25 + "id" + " }" * 25 + " } }",
    "selections": "{ limits { " + "maxCount " * 300 + "} }",
    "repeats": "{ limits { maxCount } " + "limits { maxCount } " * 30 + "}",
    "root fields": "{ " + "__typename " * 21 + "}",
    "directives": "{ limits { maxCount " + "@include(if: true) " * 31 + "} }",
    "operations": " ".join(f"query Q{i} {{ __typename }}" for i in range(11)),
    "input depth": "{ nodes(ids: " + "[" * 11 + "]" * 11 + ") { id } }",
    "cost": "{ jobs(first: 1000) { edges { node { primes(first: 1000) { values } } } } }",
}
BEYOND_ONE_LIMIT = [
    *LIMITED.items(),
    ("selections", chain(22, 2)),
    ("selections", chain(20, 5)),
    ("depth", chain(40, 1)),
    ("depth", "{ " + "... { " * 60 + "__typename" + " }" * 60 + " }"),
    ("directives", "query " + "@skip(if: true) " * 31 + "{ __typename }"),
    ("directives", "query ($a: ID " + "@x " * 31 + ") { __typename }"),
    ("root fields", "{ ...F ...F } fragment F on Query { " + "__typename " * 11 + "}"),
    (
        "repeats",
        " ".join(f"fragment F{i} on Query {{ limits {{ maxCount }} }}" for i in range(40))
        + "{ "
        + " ".join(f"...F{i}" for i in range(40))
        + " }",
    ),
    ("cost", "{ " + " ".join(f"a{i}: __schema {{ types {{ name }} }}" for i in range(6)) + " }"),
    ("cost", "{ jobs(last: 1000) { edges { node { " + "retryOf { id } " * 3 + "} } } }"),
    ("cost", "{ nodes(ids: [" + '"x" ' * 300 + "]) { ... on Job { primes { values } } } }"),
    ("cost", "subscription { a: primeStream(id: 1) { ... on PrimeBatch { " + "values " * 30 + "} } }"),
]


@pytest.mark.parametrize(("limit", "query"), BEYOND_ONE_LIMIT, ids=lambda text: text[:40])
async def test_a_document_beyond_a_limit_is_refused_by_its_name(limit: str, query: str) -> None:
    found = await refusal(query)
    assert (found["code"], found["limit"]) == ("LIMIT_EXCEEDED", limit)


@pytest.mark.parametrize(
    "query",
    [
        "{" + " ".join(f"a{i}:limits{{maxCount}}" for i in range(1_000)) + "}",
        "{a" * 10_000 + "}" * 10_000,
        "{" + "a{" * 480 + "a" + "}" * 480 + "}",
        "{ limits { maxCount " + "@skip(if: false)" * 100_000 + " } }",
        "# " + "x" * 1_000_000,
        '{ job(id: "' + "x" * 1_000_000 + '") { id } }',
        "{ " + "__typename " * 1_001 + "}",
        "#\n" * 2_000 + "{ __typename }",
    ],
    ids=lambda text: text[:20],
)
async def test_a_document_too_long_to_be_parsed_is_refused_by_the_parser(query: str) -> None:
    assert (await refusal(query))["code"] == "LIMIT_EXCEEDED"


@pytest.mark.parametrize("length", [1, 2, 50])
async def test_fragments_that_spread_each_other_in_a_circle_are_refused(length: int) -> None:
    links = [f"fragment F{i} on Query {{ ...F{(i + 1) % length} }}" for i in range(length)]
    found = await refusal(" ".join(["{ ...F0 }", *links]), build_schema(OperationLimits(max_depth=100)))
    assert found["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("list items", ["x"] * 100_000),
        ("list items", {"a": [["x"] * 10_001]}),
        ("input values", [["x"] * 7_000] * 3),
        ("input values", {str(i): i for i in range(20_001)}),
    ],
    ids=["list", "inner list", "lists together", "object"],
)
async def test_variables_beyond_a_limit_are_refused(limit: str, value: Any) -> None:
    found = await refusal("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=value)
    assert (found["code"], found["limit"]) == ("LIMIT_EXCEEDED", limit)


async def test_deeply_nested_variables_are_refused() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    found = await refusal("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=value)
    while isinstance(value, list):
        # Python's own way of letting go of it would recurse.
        value = value.pop()
    assert found["limit"] == "input depth"


PAGES = "query ($n: Int, $m: Int = 1000) { jobs(first: $n) { edges { node { primes(first: $m) { values } } } } }"


@pytest.mark.parametrize(
    "variables", [{"n": 1_000}, {}, {"n": None}, {"n": 1_000.0, "m": 100}, {"n": 10**400}, {"n": "all"}]
)
async def test_the_cost_depends_on_variables_and_is_not_remembered_with_the_document(variables: dict[str, Any]) -> None:
    for _ in range(2):
        assert (await refusal(PAGES, **variables))["limit"] == "cost"
        result = await execute(PAGES, n=1, m=1)
        assert not [error for error in result.errors or [] if "cost" in error.message]


async def test_the_same_document_without_variables_keeps_its_verdict() -> None:
    for _ in range(3):
        assert (await refusal(LIMITED["cost"]))["limit"] == "cost"
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
]


@pytest.mark.parametrize(("query", "cost"), COSTS, ids=lambda value: str(value)[:50])
async def test_an_operation_costs_the_values_that_its_answer_may_have(query: str, cost: int) -> None:
    assert SCHEMA.documents.judged(SCHEMA._schema, query).costs.of(None, None) == cost  # noqa: SLF001


async def test_introspection_as_explorers_send_it_passes() -> None:
    everything = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    assert (await execute(everything)).errors is None


@pytest.mark.parametrize("query", ["{ __schema { types { name } } }", '{ __type(name: "Job") { name } }'])
async def test_in_production_the_schema_is_not_told(query: str) -> None:
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
async def test_in_production_an_error_tells_nothing_of_the_schema(query: str, variables: dict[str, Any]) -> None:
    open_result = await execute(query, **variables)
    production = await execute(query, build_schema(production=True), **variables)
    assert any(word in str(open_result.errors) for word in ("limits", "id", "count"))
    assert production.errors
    for error in production.errors:
        assert error.extensions
        assert "code" in error.extensions
        assert error.message in {"The document does not fit the schema.", "The variables do not fit the operation."}


async def test_at_most_five_mistakes_are_told_and_each_is_short() -> None:
    result = await execute("{ " + " ".join(f"x{'y' * 400}{i}" for i in range(15)) + " }")
    assert result.errors
    assert len(result.errors) == 6  # the last one says that there are more
    assert all(len(error.message) <= 300 for error in result.errors)


async def test_a_query_that_takes_too_long_is_given_up() -> None:
    schema = build_schema(OperationLimits(execution_seconds=0.05))
    result = await schema.execute("{ system { at } }", context_value=_never_answering())
    [error] = result.errors or []
    assert (error.extensions or {})["code"] == "TIMEOUT"


def _never_answering() -> Any:
    async def system() -> None:
        await asyncio.Event().wait()

    service: Any = type("Service", (), {"system": staticmethod(system), "subscribers": 0})()
    return Context(service, Bounds())
