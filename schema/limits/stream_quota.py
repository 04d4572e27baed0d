"""What a caller was let in with, as far as operations must know it. Who is let in is decided outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing
from typing import TYPE_CHECKING, Any, Protocol

from graphql import GraphQLError
from strawberry.types.execution import PreExecutionError

from schema.errors.types import ErrorCode, milliseconds
from tasks.errors import RateLimited

if TYPE_CHECKING:
    from tasks.callers import Caller


class Access(Protocol):
    """A caller's right to be here."""

    @property
    def caller(self) -> Caller:
        """Whose jobs are seen."""

    def streaming(self) -> AbstractContextManager[None]:
        """Counts as a stream of this caller's while the block runs.

        Raises:
            RateLimited: the caller has as many as one may.
        """


async def counted(access: Access, results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any]:
    """A stream's results, unless its caller has as many streams open as one may."""
    async with aclosing(results):
        try:
            with access.streaming():
                async for result in results:
                    yield result
        except RateLimited as error:
            extensions = {"code": ErrorCode.RATE_LIMITED.value, "retryAfterMs": milliseconds(error.retry_after)}
            yield PreExecutionError(data=None, errors=[GraphQLError(str(error), extensions=extensions)])
