"""How a stream ends before its job is final: with the reason as its last event, the same on every transport.

A job that has expired, an outage or a shutdown is a member of the field's union. Credentials that are no longer valid,
and too many open streams, are GraphQL errors. A transport sends what comes from here; a WebSocket is closed after it.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from graphql import GraphQLError
from strawberry.types.execution import ExecutionResult, PreExecutionError

from schema.error_codes import UNAUTHENTICATED
from schema.errors.convert import graphql_error, user_error
from tasks.errors import JobError, JobNotFound, RateLimited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from schema.context import Access
    from schema.errors.types import UserError

T = TypeVar("T")

# In the task of a stream: whether it ended for a reason that passes. Its client may subscribe again.
_is_interrupted: ContextVar[bool] = ContextVar("is_interrupted", default=False)


def interrupt() -> None:
    """Note that the stream of this task ends for a reason that passes."""
    _is_interrupted.set(True)


def is_interrupted() -> bool:
    """Whether the stream of this task ended for a reason that passes."""
    return _is_interrupted.get()


async def with_reason(events: AsyncGenerator[T]) -> AsyncGenerator[T | UserError]:
    """A subscription's events, and the failure that ends them as the last one."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except JobError as error:
            if not isinstance(error, JobNotFound):
                interrupt()
            yield user_error(error)


async def while_accessible(access: Access, results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any]:
    """An operation's results; an error is the last one if the caller's access ends or has too many streams open."""
    async with aclosing(results), aclosing(_until(access.ended, results)) as accessible:
        try:
            with access.streaming():
                async for result in accessible:
                    yield result
        except _AccessEndedError:
            extensions = {"code": UNAUTHENTICATED}
            ended = GraphQLError("Invalid or expired API key or token.", extensions=extensions)
            yield ExecutionResult(data=None, errors=[ended])
        except RateLimited as error:
            yield PreExecutionError(data=None, errors=[graphql_error(error)])


class _AccessEndedError(Exception):
    pass


async def _until(ended: asyncio.Event, results: AsyncGenerator[Any, None]) -> AsyncGenerator[Any]:
    """The results. Raises _AccessEndedError when the event is set, even while the next result is awaited.

    Each result is awaited in the task of the stream, since extensions of the operation set context variables there.
    """
    waiting: asyncio.Timeout | None = None

    async def interrupt() -> None:
        await ended.wait()
        if waiting is not None:
            waiting.reschedule(0)

    interruption = asyncio.create_task(interrupt())
    try:
        while not ended.is_set():
            async with asyncio.timeout(None) as waiting:
                result = await anext(results, None)
            waiting = None
            if result is None:
                return
            yield result
    except TimeoutError:
        if not ended.is_set():
            raise
    finally:
        interruption.cancel()
    raise _AccessEndedError
