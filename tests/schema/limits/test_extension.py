"""The timeout of operations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from schema.limits.settings import OperationLimits
from schema.schema import build_schema
from tests.schema.execution.operations import Operation
from tests.schema.execution.system import FakeSystem
from tests.schema.ways import WAYS, measured_outcomes

if TYPE_CHECKING:
    from tests.schema.ways import Way


@pytest.mark.parametrize("way", WAYS)
async def test_query_that_exceeds_its_timeout_fails_and_is_measured(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = measured_outcomes(monkeypatch)
    schema = build_schema(OperationLimits(max_wait_ms=0, execution_seconds=0.05))
    result = await way(schema, Operation("{ system { at } }"), _system_that_blocks())
    [error] = result.errors or []
    assert (error.extensions or {})["code"] == "TIMEOUT"
    assert outcomes == ["INVALID"]


def _system_that_blocks() -> Any:
    system = FakeSystem()

    async def block() -> None:
        await asyncio.Event().wait()

    system.get_system_state = block  # type: ignore[method-assign, assignment]
    return system
