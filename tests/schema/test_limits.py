"""The limits of documents, variables and responses: which operations they refuse, and at what cost."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

import pytest
from graphql import get_introspection_query

from schema.context import Context
from schema.limits.settings import OperationLimits
from schema.schema import build_schema

if TYPE_CHECKING:
    from strawberry.types import ExecutionResult

    from schema.schema import JobSchema

SCHEMA = build_schema()
WORK_SECONDS = 0.1

# The levels that orjson parses.
DEEPEST_JSON = 1_023

# A refused document does not call the service. For the others, only the absence of a refusal is checked.
NO_SERVICE: Any = None


async def execute(query: str, schema: JobSchema = SCHEMA, **variables: Any) -> ExecutionResult:
    return await schema.execute(query, variable_values=variables, context_value=Context(NO_SERVICE, OperationLimits()))


async def cheap(query: str, schema: JobSchema = SCHEMA, **variables: Any) -> ExecutionResult:
    """Execute an operation, which must not take more than WORK_SECONDS of CPU time."""
    # The garbage of earlier tests is not this one's work.
    gc.collect()
    gc.disable()
    try:
        started = time.process_time()
        result = await execute(query, schema, **variables)
        assert time.process_time() - started < WORK_SECONDS
    finally:
        gc.enable()
    return result


async def refusal(query: str, schema: JobSchema = SCHEMA, **variables: Any) -> dict[str, Any]:
    """The extensions of the one error of an operation, which must be cheap to refuse."""
    result = await cheap(query, schema, **variables)
    assert result.data is None
    [error] = result.errors or []
    assert len(error.message) <= 300
    return dict(error.extensions or {})


def nested_list(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def chain(length: int, spreads: int) -> str:
    """Fragments that each spread the next one several times."""
    links = [f"fragment F{i} on Query {{ {f'...F{i + 1} ' * spreads} }}" for i in range(length)]
    return " ".join(["{ ...F0 }", *links, f"fragment F{length} on Query {{ __typename }}"])


def repeated(levels: int, width: int) -> str:
    """A selection set in which each field is selected several times, on each level."""
    return "{ id }" if levels == 0 else "{ " + f"retryOf {repeated(levels - 1, width)} " * width + "}"


LIMITED = {
    "depth": "{ job(id: 1) { " + "retryOf { " * 25 + "id" + " }" * 25 + " } }",
    "selections": "{ limits { " + "maxCount " * 250 + "} }",
    "operations": " ".join(f"query Q{i} {{ __typename }}" for i in range(11)),
    "cost": "{ jobs(first: 1000) { edges { node { primes(first: 1000) { values } } } } }",
}
EXPENSIVE_DOCUMENTS = [
    *LIMITED.items(),
    # Many aliases.
    ("selections", "{ limits { " + " ".join(f"a{i}: maxCount" for i in range(251)) + " } }"),
    ("selections", "{ " + " ".join(f"a{i}: __typename" for i in range(251)) + " }"),
    ("cost", "{ " + " ".join(f"a{i}: __schema {{ types {{ name }} }}" for i in range(6)) + " }"),
    ("cost", "mutation { " + " ".join(f"a{i}: retryJob(id: 1) {{ __typename }}" for i in range(26)) + " }"),
    # Many root fields.
    ("selections", "{ " + "__typename " * 251 + "}"),
    ("selections", "{ ...F ...G } " + "".join(f"fragment {f} on Query {{ {'__typename ' * 125}}}" for f in "FG")),
    # Fields that validation compares in pairs.
    ("selections", "{ " + "limits { maxCount } " * 30 + "}"),
    ("selections", "{ system { " + "queue { queued } " * 148 + "} }"),
    ("selections", "{ job(id: 1) " + repeated(3, 5) + " }"),
    (
        "selections",
        " ".join(f"fragment F{i} on Query {{ limits {{ maxCount }} }}" for i in range(40))
        + "{ "
        + " ".join(f"...F{i}" for i in range(40))
        + " }",
    ),
    ("selections", "{ __typename } fragment Unused on SystemStats { " + "queue { queued } " * 148 + "}"),
    # Fragments that multiply.
    ("cost", chain(22, 2)),
    ("cost", chain(20, 5)),
    ("depth", chain(40, 1)),
    ("depth", chain(90, 2)),
    (
        "selections",
        "{ job(id: 1) { ...F0 } } fragment F9 on Job { id } "
        + " ".join(
            f"fragment F{i} on Job {{ a: retryOf {{ ...F{i + 1} }} b: retryOf {{ ...F{i + 1} }} }}" for i in range(9)
        ),
    ),
    ("depth", "{ job(id: 1) { ...F } } fragment F on Job { retryOf { ...F } }"),
    ("depth", "{ " + "... { " * 60 + "__typename" + " }" * 60 + " }"),
    # Lists in pages.
    ("cost", "{ jobs(last: 1000) { edges { node { " + "retryOf { id } " * 3 + "} } } }"),
    ("cost", "{ nodes(ids: [" + '"x" ' * 300 + "]) { ... on Job { primes { values } } } }"),
    ("cost", "subscription { a: primeStream(id: 1) { ... on PrimeBatch { " + "values " * 30 + "} } }"),
]


@pytest.mark.parametrize(("limit", "query"), EXPENSIVE_DOCUMENTS, ids=lambda text: text[:40])
async def test_document_beyond_a_limit_is_refused_with_the_limit_named(limit: str, query: str) -> None:
    extensions = await refusal(query)
    assert (extensions["code"], extensions["limit"]) == ("LIMIT_EXCEEDED", limit)


@pytest.mark.parametrize(
    "query",
    [
        "{" + " ".join(f"a{i}:limits{{maxCount}}" for i in range(1_000)) + "}",
        "{a" * 10_000 + "}" * 10_000,
        "{" + "a{" * 480 + "a" + "}" * 480 + "}",
        "{ limits { maxCount " + "@skip(if: false)" * 100_000 + " } }",
        "{ limits { maxCount " + "@include(if: true) " * 200 + "} }",
        "{ nodes(ids: " + "[" * 201 + "]" * 201 + ") { id } }",
        "# " + "x" * 1_000_000,
        "," * 20_000 + "{ __typename }",
        '{ job(id: "' + "x" * 20_000 + '") { id } }',
        "{ " + "__typename " * 1_001 + "}",
        "#\n" * 2_000 + "{ __typename }",
    ],
    ids=lambda text: text[:20],
)
async def test_document_beyond_the_limits_of_tokens_length_or_nesting_is_refused_by_the_parser(query: str) -> None:
    assert (await refusal(query))["code"] == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "query",
    [
        "{ limits { maxCount " + "@include(if: true) " * 31 + "} }",
        "{ limits { maxCount " + "@a " * 450 + "} }",
        "query " + "@skip(if: true) " * 31 + "{ __typename }",
        "query ($a: ID " + "@x " * 31 + ") { __typename }",
        "{ nodes(ids: " + "[" * 100 + "]" * 100 + ") { id } }",
        "{ " + " ".join(f"job(id: $a{i}) {{ id }}" for i in range(15)) + " }",
    ],
    ids=lambda text: text[:40],
)
async def test_many_directives_and_nested_literals_are_refused_by_validation(query: str) -> None:
    result = await cheap(query)
    assert {(error.extensions or {})["code"] for error in result.errors or []} == {"GRAPHQL_VALIDATION_FAILED"}


async def test_directives_within_the_token_limit_are_executed() -> None:
    result = await cheap("{ " + " ".join(f"a{i}: __typename @skip(if: true)" for i in range(95)) + " }")
    assert (result.errors, result.data) == (None, {})


@pytest.mark.parametrize("length", [1, 2, 50])
async def test_fragment_cycles_are_refused(length: int) -> None:
    links = [f"fragment F{i} on Query {{ ...F{(i + 1) % length} }}" for i in range(length)]
    found = await refusal(" ".join(["{ ...F0 }", *links]), build_schema(OperationLimits(max_depth=100)))
    assert found["code"] == "GRAPHQL_VALIDATION_FAILED"


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
    ("mutation { a: cancelJob(id: 1) { __typename } b: cancelJob(id: 2) { __typename } }", 2 * (1_000 + 1)),
]


@pytest.mark.parametrize(("query", "cost"), COSTS, ids=lambda value: str(value)[:50])
async def test_cost_of_an_operation_is_the_number_of_values_in_its_response(query: str, cost: int) -> None:
    assert SCHEMA.documents.validated(SCHEMA._schema, query).costs.of(None, None) == cost  # noqa: SLF001


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
    assert len(result.errors) == 6  # the last one says that there are more
    assert all(len(error.message) <= 300 for error in result.errors)


async def test_query_that_exceeds_its_timeout_fails() -> None:
    schema = build_schema(OperationLimits(max_wait_ms=0, execution_seconds=0.05))
    result = await schema.execute("{ system { at } }", context_value=_context_that_blocks())
    [error] = result.errors or []
    assert (error.extensions or {})["code"] == "TIMEOUT"


def _context_that_blocks() -> Any:
    async def get_system_state() -> None:
        await asyncio.Event().wait()

    service: Any = type("Service", (), {"get_system_state": staticmethod(get_system_state), "subscribers": 0})()
    return Context(service, OperationLimits())
