"""Execution of operations on a schema without a service, for tests of limits."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

from schema.context import Context
from schema.limits.settings import OperationLimits
from schema.schema import build_schema

if TYPE_CHECKING:
    from strawberry.types import ExecutionResult

    from schema.schema import JobSchema

SCHEMA = build_schema()
WORK_SECONDS = 0.1

# A refused document does not call the service. For the others, only the absence of a refusal is checked.
NO_SYSTEM: Any = None


async def execute(query: str, schema: JobSchema = SCHEMA, **variables: Any) -> ExecutionResult:
    return await schema.execute(
        query, variable_values=variables, context_value=Context(NO_SYSTEM, OperationLimits(), None)
    )


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
