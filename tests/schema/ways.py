"""The ways in which the schema executes an operation: each must have the same errors."""

from __future__ import annotations

from contextlib import aclosing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from schema import telemetry
from schema.context import Context
from schema.limits.settings import OperationLimits
from tasks.callers import ANYONE
from tests.schema.execution.system import FakeSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import pytest
    from graphql import ExecutionResult
    from strawberry.types import ExecutionResult as StrawberryResult

    from schema.schema import JobSchema
    from tests.schema.execution.operations import Operation

    Way = Callable[..., Coroutine[Any, Any, ExecutionResult | StrawberryResult]]


async def by_strawberry(schema: JobSchema, operation: Operation, system: Any = None) -> StrawberryResult:
    return await schema.execute(operation.text, operation.variables, _context(system))


async def by_the_fast_path(schema: JobSchema, operation: Operation, system: Any = None) -> ExecutionResult:
    document = schema.validated(operation.text)
    return await schema.execute_operation(document, _context(system), operation.variables, None)


async def by_stream(schema: JobSchema, operation: Operation, system: Any = None) -> StrawberryResult:
    """The first result with errors, or else the last one."""
    found: Any = None
    async with aclosing(await schema.stream(operation.text, operation.variables, _context(system))) as results:
        async for result in results:
            if found is None or not found.errors:
                found = result
    return found  # type: ignore[no-any-return]


WAYS: list[Way] = [by_strawberry, by_the_fast_path, by_stream]


def measured_outcomes(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The outcome of each query and mutation from now on, as its metric has it."""
    outcomes: list[str | None] = []
    record = SimpleNamespace(record=lambda _, attributes: outcomes.append(attributes.get("error.type")))
    monkeypatch.setattr(telemetry, "_OPERATION_DURATION", record)
    return outcomes


def _context(system: Any) -> Context:
    return Context(FakeSystem() if system is None else system, OperationLimits(), ANYONE)  # type: ignore[arg-type]
