"""Plans have the results of graphql-core: data, errors with their paths, and the order in which resolvers run."""

from __future__ import annotations

import gc
from contextlib import aclosing
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from graphql import ExecutionResult, GraphQLError, execute, subscribe
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.context import Context
from schema.execution import compiler, run
from schema.execution.plan import DocumentPlans
from schema.execution.variables import OperationVariables
from schema.limits.settings import OperationLimits
from schema.schema import build_schema
from tasks.callers import ANYONE
from tests.schema.execution.examples import EXAMPLES
from tests.schema.execution.operations import Operation, operations
from tests.schema.execution.system import FakeSystem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from schema.limits.document_cache import ValidatedDocument

SCHEMA = build_schema()
GRAPHQL = SCHEMA._schema  # noqa: SLF001 - as in LimitsExtension
LIMITS = OperationLimits(max_wait_ms=1_000)

MAX_EVENTS = 5

# If a field fails, graphql-core and plans cancel the others, also those that have not started yet.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.fixture(autouse=True)
def _unstarted_coroutines() -> Iterator[None]:
    """Collect them here, and not in a later test, where this warning is an error."""
    yield
    gc.collect()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client gets of an operation, and the service's calls meanwhile."""

    responses: list[bytes]
    log: list[str]


async def by_graphql_core(document: ValidatedDocument, operation: Operation) -> Outcome:
    system, context = service()
    result = execute(
        GRAPHQL,
        document.node,
        context_value=context,
        variable_values=operation.variables,
        executor_class=StrawberryGraphQLCoreExecutionContext,
        operation_extensions=None,
    )
    return Outcome([await response(result)], system.log)


async def by_plan(document: ValidatedDocument, operation: Operation) -> Outcome | None:
    """The outcome of a new plan; None without one."""
    system, context = service()
    result = DocumentPlans(GRAPHQL, document.node).execute(None, operation.variables, context)
    return None if result is None else Outcome([await response(result)], system.log)


async def events(document: ValidatedDocument, operation: Operation, executor_class: Any) -> Outcome:
    system, context = service()
    stream: Any = subscribe(
        GRAPHQL,
        document.node,
        context_value=context,
        variable_values=operation.variables,
        executor_class=executor_class,
        operation_extensions=None,
    )
    stream = await stream if isawaitable(stream) else stream
    if isinstance(stream, ExecutionResult):
        return Outcome([await response(stream)], system.log)
    responses: list[bytes] = []
    try:
        async with aclosing(stream):
            while len(responses) < MAX_EVENTS and (result := await anext(stream, None)) is not None:
                responses.append(await response(result))
    except Exception as error:  # noqa: BLE001 - whatever the source of the events raises ends the stream
        responses.append(repr(error).encode())
    return Outcome(responses, system.log)


def service() -> tuple[FakeSystem, Context]:
    system: Any = FakeSystem()
    return system, Context(system, LIMITS, ANYONE)


async def response(result: ExecutionResult | Awaitable[ExecutionResult]) -> bytes:
    """The response, and the exceptions that its errors come from."""
    result = result if isinstance(result, ExecutionResult) else await result
    errors = [(error.formatted, repr(error.original_error)) for error in result.errors or ()]
    return orjson.dumps([result.data, errors])


def validated(operation: Operation) -> ValidatedDocument:
    return SCHEMA.documents.validated(GRAPHQL, operation.text)


def assumed_valid(operation: Operation) -> ValidatedDocument:
    try:
        document = validated(operation)
    except GraphQLError:
        # It has too many tokens to be parsed.
        reject()
    assume(not document.errors)
    return document


@given(st.data())
@settings(max_examples=30, deadline=None)
async def test_plan_has_the_result_of_graphql_core(data: st.DataObject) -> None:
    operation = data.draw(operations(GRAPHQL, "query", "mutation"))
    document = assumed_valid(operation)
    planned = await by_plan(document, operation)
    assert planned is None or planned == await by_graphql_core(document, operation)


@given(st.data())
@settings(max_examples=15, deadline=None)
async def test_events_of_a_subscription_have_the_results_of_graphql_core(data: st.DataObject) -> None:
    operation = data.draw(operations(GRAPHQL, "subscription"))
    document = assumed_valid(operation)
    planned = await events(document, operation, SCHEMA.execution_context_class)
    assert planned == await events(document, operation, StrawberryGraphQLCoreExecutionContext)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_has_a_plan_with_the_result_of_graphql_core(name: str) -> None:
    document = validated(EXAMPLES[name])
    assert document.errors == ()
    assert await by_plan(document, EXAMPLES[name]) == await by_graphql_core(document, EXAMPLES[name])


def without_paths(_: object) -> Any:
    return lambda _: []


def with_any_null(catch_errors: Any) -> Any:
    return lambda execute, nodes, **_: catch_errors(execute, nodes, nullable=True)


def with_every_error(_: object) -> Any:
    return lambda self, error, _: self.errors.append(error)


def with_false_conditions(_: object) -> Any:
    return lambda _, values: dict.fromkeys(values, False)


def without_arguments(_: object) -> Any:
    return lambda *_: lambda *_: {}


def without_serializing(_: object) -> Any:
    return lambda *_: lambda _, value, __: value


def one_by_one(_: object) -> Any:
    async def wait(*awaitables: Awaitable[Any]) -> list[Any]:
        return [await awaitable for awaitable in awaitables]

    return wait


def at_once(selection: Any) -> Any:
    return lambda self, parent, grouped, **_: selection(self, parent, grouped)


@pytest.mark.parametrize(
    ("owner", "name", "fault", "example"),
    [
        (run, "_keys", without_paths, "error in a list"),
        (compiler, "catch_errors", with_any_null, "null where a field must not be null"),
        (run.Run, "add_error", with_every_error, "error below an error"),
        (OperationVariables, "conditions", with_false_conditions, "true conditions"),
        (compiler, "compile_arguments", without_arguments, "primes"),
        (compiler, "_leaf", without_serializing, "merged fields"),
        (compiler, "gather_with_cancel", one_by_one, "queries at once"),
        (compiler.Compiler, "_selection", at_once, "mutations one after the other"),
    ],
)
async def test_comparison_fails_for_a_plan_with_a_fault(
    owner: object, name: str, fault: Callable[[Any], Any], example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = validated(EXAMPLES[example])
    monkeypatch.setattr(owner, name, fault(getattr(owner, name)))
    planned = await by_plan(document, EXAMPLES[example])
    assert planned is not None
    assert planned != await by_graphql_core(document, EXAMPLES[example])
