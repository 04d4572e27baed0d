"""The quota of streams that a caller may have open at the same time."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from strawberry.types.execution import PreExecutionError

from schema.errors.convert import graphql_error
from tasks.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from schema.context import Access


async def limit_streams(access: Access, results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any]:
    """A stream's results, or one error with the code RATE_LIMITED if its caller has too many streams open."""
    async with aclosing(results):
        try:
            with access.streaming():
                async for result in results:
                    yield result
        except RateLimited as error:
            yield PreExecutionError(data=None, errors=[graphql_error(error)])
