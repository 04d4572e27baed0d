"""Streams end with the reason as their last result, and release what they hold."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from schema.errors import types
from schema.operations.stream_end import while_accessible, with_reason
from tasks.callers import ANYONE
from tasks.errors import BackendUnavailable, JobError, JobNotFound, RateLimited
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator


class FakeAccess:
    """An access with a quota of one stream."""

    caller = ANYONE

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.open = 0

    @contextmanager
    def streaming(self) -> Iterator[None]:
        if self.open:
            raise RateLimited("1 streams are open, the maximum for one caller", timedelta(seconds=1))
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class Source:
    """Results from a queue, of which None is the end."""

    variable: ContextVar[int] = ContextVar("variable", default=0)

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.started = self.closed = False
        # In the order of the results: incremented in the source itself.
        self.variables: list[int] = []

    async def results(self) -> AsyncGenerator[str]:
        self.started = True
        try:
            while (result := await self.queue.get()) is not None:
                self.variable.set(self.variable.get() + 1)
                self.variables.append(self.variable.get())
                yield result
        finally:
            self.closed = True


async def collected(results: AsyncGenerator[Any]) -> list[Any]:
    async with asyncio.timeout(10), aclosing(results):
        return [result async for result in results]


def single_error(result: Any) -> dict[str, Any]:
    [error] = result.errors
    found: dict[str, Any] = error.formatted
    return found


async def test_results_of_a_valid_access_are_unchanged() -> None:
    access, source = FakeAccess(), Source()
    for result in ("a", "b", None):
        source.queue.put_nowait(result)
    assert await collected(while_accessible(access, source.results())) == ["a", "b"]
    assert source.variables == [1, 2]
    assert source.closed
    assert access.open == 0


async def test_waiting_stream_ends_with_an_error_when_its_access_ends() -> None:
    access, source = FakeAccess(), Source()
    stream = asyncio.create_task(collected(while_accessible(access, source.results())))
    source.queue.put_nowait("a")
    await eventually(lambda: _holds(source.variables == [1] and source.queue.empty()))
    access.ended.set()
    first, last = await stream
    assert first == "a"
    assert last.data is None
    assert single_error(last) == {
        "message": "Invalid or expired API key or token.",
        "extensions": {"code": "UNAUTHENTICATED"},
    }
    assert source.closed
    assert access.open == 0


async def test_access_that_ends_while_a_result_is_sent_ends_the_stream_after_it() -> None:
    access, source = FakeAccess(), Source()
    for result in ("a", "b"):
        source.queue.put_nowait(result)
    async with asyncio.timeout(10), aclosing(while_accessible(access, source.results())) as stream:
        assert await anext(stream) == "a"
        access.ended.set()
        assert single_error(await anext(stream))["extensions"] == {"code": "UNAUTHENTICATED"}
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert source.closed


async def test_stream_of_an_ended_access_does_not_start() -> None:
    access, source = FakeAccess(), Source()
    access.ended.set()
    [result] = await collected(while_accessible(access, source.results()))
    assert single_error(result)["extensions"] == {"code": "UNAUTHENTICATED"}
    assert not source.started


async def test_stream_above_the_quota_gets_an_error_and_does_not_start() -> None:
    access, source = FakeAccess(), Source()
    with access.streaming():
        [result] = await collected(while_accessible(access, source.results()))
    assert single_error(result)["extensions"] == {"code": "RATE_LIMITED", "retryAfterMs": 1000}
    assert not source.started


async def test_disconnect_closes_the_source_and_frees_the_quota() -> None:
    access, source = FakeAccess(), Source()
    source.queue.put_nowait("a")
    stream = while_accessible(access, source.results())
    assert await anext(stream) == "a"
    assert access.open == 1
    await stream.aclose()
    assert source.closed
    assert access.open == 0


async def test_cancellation_of_the_stream_is_not_taken_for_the_end_of_its_access() -> None:
    access, source = FakeAccess(), Source()
    stream = asyncio.create_task(collected(while_accessible(access, source.results())))
    await eventually(lambda: _holds(source.started))
    stream.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream
    assert source.closed
    assert access.open == 0


@pytest.mark.parametrize(
    ("error", "member"),
    [(JobNotFound("x"), types.JobNotFound), (BackendUnavailable("shutting down"), types.BackendUnavailable)],
)
async def test_expected_failure_is_the_last_event(
    error: JobError, member: type[types.JobNotFound | types.BackendUnavailable]
) -> None:
    async def events() -> AsyncGenerator[str]:
        yield "a"
        raise error

    first, last = await collected(with_reason(events()))
    assert first == "a"
    assert isinstance(last, member)
    assert last.message == str(error)


async def test_unexpected_error_is_raised() -> None:
    async def events() -> AsyncGenerator[str]:
        yield "a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await collected(with_reason(events()))


async def _holds(condition: bool) -> bool:
    return condition
