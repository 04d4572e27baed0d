"""Calls that wait: the only places where simulated programs stop, and where the history decides what happens next."""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, cast

import greenlet
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as ResponseTimeout

from tasks.storage import scripts
from tests.simulation.world.store import COUNT_EXISTING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tasks.settings import JobSettings
    from tests.simulation.history import History

# Retries of a worker's client. Fewer than in production, so that a history also sees it give up.
RETRIES = 2
API_TIMEOUT_MS = 2_000
OLDER_SENDING_WINDOW = 4
WORKER_TIMEOUT_MS = 5_000


@dataclass(eq=False, slots=True)
class Call:
    """A call that was sent. It may be executed, answered, both or neither, and later than its caller waits.

    Args:
        caller: who waits, in words.
        what: what is called, in words.
        execute: executes it and returns the answer.
        settle: hands an answer or an error to the caller.
        timeout_at_ms: when the caller stops waiting; None: never.
    """

    caller: str
    what: str
    execute: Callable[[], Any]
    settle: Callable[[Any, Exception | None], None]
    timeout_at_ms: int | None = None
    is_executed: bool = False
    is_settled: bool = False
    answer: Any = None
    error: Exception | None = None

    def run(self) -> None:
        """Execute it and keep the answer."""
        self.is_executed = True
        try:
            self.answer = self.execute()
        except (RedisError, OSError) as error:
            self.error = error

    def finish(self, error: Exception | None = None) -> None:
        """Hand the answer, or another error, to the caller."""
        self.is_settled = True
        self.settle(None if error else self.answer, error or self.error)

    def abandon(self) -> None:
        """The caller is gone."""
        self.is_settled = True


class ScriptCall(NamedTuple):
    """A call of a script: its text and arguments, its class, and the arguments by name."""

    text: str
    arguments: Sequence[Any]
    script: type[scripts.Script[Any]]
    named: Mapping[str, Any]


class Registry:
    """The scripts by their loaded text."""

    def __init__(self) -> None:
        self._scripts: dict[str, type[scripts.Script[Any]]] = {}
        # The settings are the same in all histories.
        self._texts: dict[type[scripts.Script[Any]], str] = {}
        self._load = scripts.load_script

    def load(self, script: type[scripts.Script[Any]], settings: JobSettings) -> str:
        """As the function that it replaces."""
        if script not in self._texts:
            self._texts[script] = self._load(script, settings)
            self._scripts[self._texts[script]] = script
        return self._texts[script]

    def load_older(self, text: str) -> str:
        """The script of an older version, which sent more segments of a job at a time."""
        older, changes = re.subn(r"SENDING_WINDOW = \d+", f"SENDING_WINDOW = {OLDER_SENDING_WINDOW}", text)
        assert changes <= 1
        self._scripts[older] = self._scripts[text]
        return older

    def decode(self, text: str, arguments: Sequence[Any]) -> ScriptCall:
        """The call of a loaded script."""
        script = self._scripts[text]
        names = scripts._argument_names(script)  # noqa: SLF001 - the simulation reads what it intercepts
        return ScriptCall(text, arguments, script, dict(zip(names, arguments, strict=True)))


class SyncClient:
    """What JobRecorder needs of a client. In a task, a call waits; elsewhere it is executed at once."""

    def __init__(self, history: History, task: Callable[[], Waiter | None] = lambda: None) -> None:
        self._history = history
        self._task = task

    def register_script(self, text: str) -> SyncScript:
        return SyncScript(self, text)

    def pipeline(self, *, transaction: bool) -> Pipeline:
        assert not transaction
        return Pipeline(self)

    def run(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Run scripts with arguments, sent together."""
        history, task = self._history, self._task()
        decoded = [history.decode(text, arguments) for text, arguments in calls]
        if task is None or not task.is_current:
            return [history.execute(call) for call in decoded]
        return task.call_all([(history.words(call), partial(history.execute, call)) for call in decoded])


@dataclass(frozen=True, slots=True)
class SyncScript:
    """A registered script. Its text is its name."""

    client: SyncClient
    sha: str

    def __call__(self, *, keys: Iterable[str], args: Sequence[Any]) -> Any:
        del keys
        [answer] = self.client.run([(self.sha, args)])
        if isinstance(answer, Exception):
            raise answer
        return answer


class Pipeline(AbstractContextManager[Any]):
    """Several scripts in one write."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self._calls: list[tuple[str, Sequence[Any]]] = []

    def __exit__(self, *_: object) -> None:
        self._calls.clear()

    def evalsha(self, sha: str, numkeys: int, *keys_and_arguments: Any) -> None:
        self._calls.append((sha, keys_and_arguments[numkeys:]))

    def execute(self, *, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        return self._client.run(self._calls)


class Waiter:
    """A task of a worker: runs until a call waits, and goes on when it is settled."""

    current: ClassVar[Waiter | None] = None

    def __init__(self, history: History, name: str, run: Callable[[], None]) -> None:
        self.name = name
        self._history = history
        # Not of the task that starts it.
        self._greenlet = greenlet.greenlet(run, _history_greenlet())
        self._calls: list[Call] = []
        self._is_killed = False

    @property
    def is_running(self) -> bool:
        return not self._greenlet.dead

    @property
    def is_current(self) -> bool:
        return Waiter.current is self

    def start(self) -> None:
        """Run until the first call waits."""
        self._switch(None)

    def start_later(self) -> None:
        """Start in a later step, as a thread does."""
        self._send(Call(self.name, "start", lambda: None, lambda *_: self.start()))

    def resume_later(self, what: str) -> None:
        """End a pause in a later step."""
        self._send(Call(self.name, what, lambda: None, self._resume))

    def kill(self) -> None:
        """End without another step. What it has sent may still be executed."""
        for call in self._calls:
            call.abandon()
        self._is_killed = True
        Waiter.current = self
        try:
            self._greenlet.throw(greenlet.GreenletExit)
        finally:
            Waiter.current = None

    def call_all(self, calls: Sequence[tuple[str, Callable[[], Any]]]) -> list[Any]:
        """Wait for all answers and errors, as a client does that repeats all calls when it loses its connection."""
        for left in range(RETRIES, -1, -1):
            answers = self._wait_all(calls)
            lost = next((one for one in answers if isinstance(one, (ConnectionLost, ResponseTimeout))), None)
            if lost is None:
                return answers
            if not left:
                raise lost
        raise AssertionError

    def _wait_all(self, calls: Sequence[tuple[str, Callable[[], Any]]]) -> list[Any]:
        """Send calls together and wait for all. An error is an answer."""
        answers: dict[int, Any] = {}

        def settle(number: int, answer: Any, error: Exception | None) -> None:
            answers[number] = error or answer
            if len(answers) == len(calls):
                self._switch(([answers[number] for number in range(len(calls))], None))

        timeout_at_ms = self._history.clock.elapsed_ms + WORKER_TIMEOUT_MS
        for number, (what, execute) in enumerate(calls):
            self._send(Call(self.name, what, execute, partial(settle, number), timeout_at_ms))
        found: list[Any] = self.pause()
        return found

    def wait(self, what: str, execute: Callable[[], Any], timeout_ms: int | None = WORKER_TIMEOUT_MS) -> Any:
        """Wait for one answer."""
        timeout_at_ms = None if timeout_ms is None else self._history.clock.elapsed_ms + timeout_ms
        self._send(Call(self.name, what, execute, self._resume, timeout_at_ms))
        return self.pause()

    def pause(self) -> Any:
        """Wait until a call is settled."""
        if self._is_killed:
            raise greenlet.GreenletExit
        parent = cast("greenlet.greenlet", self._greenlet.parent)
        answer, error = parent.switch()
        self._calls.clear()
        if error is not None:
            raise error
        return answer

    def _send(self, call: Call) -> None:
        if self._is_killed:
            raise greenlet.GreenletExit
        self._calls.append(call)
        self._history.calls.append(call)

    def _resume(self, answer: Any, error: Exception | None) -> None:
        self._switch((answer, error))

    def _switch(self, value: Any) -> None:
        Waiter.current = self
        try:
            self._greenlet.switch() if value is None else self._greenlet.switch(value)
        finally:
            Waiter.current = None


def _history_greenlet() -> greenlet.greenlet:
    found = greenlet.getcurrent()
    while found.parent is not None:
        found = found.parent
    return found


class AsyncClient:
    """What JobStore needs of a client."""

    def __init__(self, history: History, owner: str, *, is_older: bool) -> None:
        self._history = history
        self._owner = owner
        self._is_older = is_older
        self.lines: list[Line] = []

    def register_script(self, text: str) -> Callable[..., Any]:
        if self._is_older:
            text = self._history.world.registry.load_older(text)

        async def run(*, keys: Iterable[str], args: Sequence[Any]) -> Any:
            del keys
            call = self._history.decode(text, args)
            return await self._call(self._history.words(call), lambda: self._history.execute(call))

        return run

    async def exists(self, *keys: str) -> Any:
        return await self._call(f"find {len(keys)} jobs", lambda: self._history.run_other(COUNT_EXISTING, *keys))

    async def _call(self, what: str, execute: Callable[[], Any]) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def settle(answer: Any, error: Exception | None) -> None:
            if future.done():
                return
            future.set_exception(error) if error else future.set_result(answer)

        timeout_at_ms = self._history.clock.elapsed_ms + API_TIMEOUT_MS
        self._history.calls.append(Call(self._owner, what, execute, settle, timeout_at_ms))
        return await future

    def pubsub(self) -> Line:
        line = Line(self._history, self._owner)
        self.lines = [one for one in self.lines if not one.is_broken]
        self.lines.append(line)
        return line


class Line:
    """A connection that receives events. It can break, or fall silent without an error."""

    def __init__(self, history: History, owner: str) -> None:
        self._history = history
        self.owner = owner
        self._received: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self.undelivered: list[bytes] = []
        self.is_subscribed = self.is_broken = self.is_silent = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def subscribe(self, channel: str) -> None:
        del channel
        if self._history.store.is_down:
            self.is_broken = True
            raise ConnectionLost("the server is down")
        self.is_subscribed = True
        self._received.put_nowait({"type": "subscribe"})

    async def get_message(self, timeout: float) -> Mapping[str, Any] | None:  # noqa: ASYNC109 - the client's own
        try:
            async with asyncio.timeout(timeout):
                message = await self._received.get()
        except TimeoutError:
            return None
        if message is None:
            raise ConnectionLost("the connection was lost")
        return message

    async def ping(self) -> None:
        if not self.is_silent:
            self._received.put_nowait({"type": "pong"})

    async def aclose(self) -> None:
        self.is_broken = True

    def deliver(self) -> None:
        """Deliver the oldest event."""
        self._received.put_nowait({"type": "message", "data": self.undelivered.pop(0)})

    def break_off(self) -> None:
        """Lose the connection, and the events on it."""
        self.is_broken = True
        self.undelivered.clear()
        self._received.put_nowait(None)
