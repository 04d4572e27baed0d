"""The timeout of operations."""

from __future__ import annotations

import asyncio
from typing import Any

from schema.context import Context
from schema.limits.settings import OperationLimits
from schema.schema import build_schema


async def test_query_that_exceeds_its_timeout_fails() -> None:
    schema = build_schema(OperationLimits(max_wait_ms=0, execution_seconds=0.05))
    result = await schema.execute("{ system { at } }", context_value=_context_that_blocks())
    [error] = result.errors or []
    assert (error.extensions or {})["code"] == "TIMEOUT"


def _context_that_blocks() -> Any:
    async def get_system_state() -> None:
        await asyncio.Event().wait()

    system: Any = type("System", (), {"get_system_state": staticmethod(get_system_state), "subscribers": 0})()
    return Context(system, OperationLimits(), None)
