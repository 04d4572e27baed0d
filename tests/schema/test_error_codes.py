"""Every error has a code, also those that graphql-core raises, whichever way executes the operation."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.schema import build_schema
from tests.schema.execution.operations import Operation, operations
from tests.schema.ways import WAYS, by_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.schema.ways import Way

SCHEMA = build_schema()
PRODUCTION = build_schema(production=True)
CLIENT, BUG = "BAD_USER_INPUT", "INTERNAL_SERVER_ERROR"

# An operation, the code of its error, and its path: null for variables that have another default, and values that do
# not have the type of their field.
ERRORS: dict[str, tuple[Operation, str, list[str] | None]] = {
    "argument": (
        Operation('query ($w: Int = 0) { job(id: "running", waitMs: $w) { id } }', {"w": None}),
        CLIENT,
        ["job"],
    ),
    "argument below": (
        Operation('query ($i: Int = 0) { job(id: "succeeded") { result { at(index: $i) } } }', {"i": None}),
        CLIENT,
        ["job", "result", "at"],
    ),
    "field of an input object": (
        Operation("mutation ($n: Int = 1) { generatePrimes(input: {count: $n}) { __typename } }", {"n": None}),
        CLIENT,
        ["generatePrimes"],
    ),
    "item of a list": (Operation('query ($i: ID = "a") { nodes(ids: [$i]) { id } }', {"i": None}), CLIENT, ["nodes"]),
    "item of a list in an input object": (
        Operation("query ($s: JobStatus = RUNNING) { jobs(filter: {statuses: [$s]}) { totalCount } }", {"s": None}),
        CLIENT,
        ["jobs"],
    ),
    "condition of a field": (
        Operation("query ($c: Boolean = true) { limits { maxCount @skip(if: $c) } }", {"c": None}),
        CLIENT,
        ["limits"],
    ),
    "condition of a fragment": (
        Operation("query ($c: Boolean = true) { limits { ... @include(if: $c) { maxCount } } }", {"c": None}),
        CLIENT,
        ["limits"],
    ),
    "condition of a root field": (
        Operation("query ($c: Boolean = true) { limits @skip(if: $c) { maxCount } }", {"c": None}),
        CLIENT,
        None,
    ),
    "variable that must not be null": (Operation("query ($i: ID!) { job(id: $i) { id } }", {"i": None}), CLIENT, None),
    "variable of another type": (Operation("query ($i: ID!) { job(id: $i) { id } }", {"i": []}), CLIENT, None),
    "argument of a subscription": (
        Operation("subscription ($m: Int = 100) { systemStats(intervalMs: $m) { at } }", {"m": None}),
        CLIENT,
        ["systemStats"],
    ),
    "variable of a subscription": (
        Operation("subscription ($m: Int!) { systemStats(intervalMs: $m) { at } }", {}),
        CLIENT,
        None,
    ),
    "number beyond its type": (Operation('{ job(id: "large") { queuePosition } }', {}), BUG, ["job", "queuePosition"]),
    "text for a number": (Operation('{ job(id: "text") { start } }', {}), BUG, ["job", "start"]),
    "null for a field that must not be null": (
        Operation('{ job(id: "null") { createdAt } }', {}),
        BUG,
        ["job", "createdAt"],
    ),
    "exception of a resolver": (Operation('{ job(id: "bug") { id } }', {}), BUG, ["job"]),
    "number beyond its type in an event": (
        Operation('subscription { jobUpdates(id: "large") { ... on JobUpdate { job { queuePosition } } } }', {}),
        BUG,
        ["jobUpdates", "job", "queuePosition"],
    ),
}


@pytest.fixture
def _unstarted_coroutines() -> Iterator[None]:
    """If a field fails, others may not have started. They are collected here, and not in a later test."""
    yield
    gc.collect()


def ways_of(operation: Operation) -> list[Way]:
    return [by_stream] if operation.text.startswith("subscription") else WAYS


@pytest.mark.parametrize("name", ERRORS)
async def test_error_has_its_code_on_each_way(name: str) -> None:
    operation, code, path = ERRORS[name]
    for way in ways_of(operation):
        [error] = (await way(SCHEMA, operation)).errors or []
        assert ((error.extensions or {})["code"], error.path) == (code, path), way
        # What graphql-core says of a bug is for the log.
        assert ("represent" in error.message or "null" in error.message) <= (code == CLIENT)


@pytest.mark.parametrize("name", [name for name, (_, code, _) in ERRORS.items() if code == CLIENT])
async def test_error_of_a_value_in_production_does_not_describe_the_schema(name: str) -> None:
    operation = ERRORS[name][0]
    for way in ways_of(operation):
        [error] = (await way(PRODUCTION, operation)).errors or []
        assert error.message == "The variables do not fit the operation."


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.usefixtures("_unstarted_coroutines")
@given(st.data())
@settings(max_examples=20, deadline=None)
async def test_every_error_of_any_operation_has_a_code(data: st.DataObject) -> None:
    operation = data.draw(operations(SCHEMA._schema, "query", "mutation", "subscription"))  # noqa: SLF001 - as in LimitsExtension
    result: Any = await by_stream(SCHEMA, operation)
    for error in (result and result.errors) or ():
        assert "code" in error.extensions
