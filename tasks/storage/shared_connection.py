"""An asyncio client that sends the commands of all its callers over one connection.

The client's own pool gives each command its own connection and several timers, which costs a process more than the
command. Here the commands issued in one iteration of the event loop go out in one write, and replies, which arrive in
the order of the commands, go to the callers that wait, a few in each iteration. Connecting, authentication and parsing
are left to redis-py.

Nothing is sent twice. A caller that is cancelled only stops waiting: its reply is still read, and dropped.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import hiredis
import redis.asyncio
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError, ResponseError

from tasks.cancellation import cancel_and_wait

if TYPE_CHECKING:
    from datetime import timedelta

    from redis.asyncio.connection import AbstractConnection as Connection

# Callers that get their replies in one iteration of the event loop. If all went on together, they would also send their
# next commands together, and this process and the server would wait for each other in turn.
_REPLIES_PER_ITERATION = 4


class SharedConnectionClient(redis.asyncio.Redis):
    """redis-py's client with one connection for all commands. Subscriptions still get one each from the pool.

    A command fails after `timeout`, whether it waits for the connection or for its reply. Later commands then use a new
    connection, while others that wait on the old one keep their own time.
    """

    def __init__(self, pool: redis.asyncio.ConnectionPool, timeout: timedelta) -> None:
        super().__init__(connection_pool=pool)
        self._timeout_seconds = timeout.total_seconds()
        self._session: _Session | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the client's own
        """Send a command and return its reply as the client's methods expect it."""
        if self._session is None or not self._session.is_open:
            self._session = _Session(self.connection_pool.make_connection(), self._timeout_seconds)  # type: ignore[no-untyped-call]
        # Commands of two words, such as SCRIPT LOAD, are separate arguments.
        reply = await self._session.send(hiredis.pack_command((*args[0].split(), *args[1:])))
        parse = self.response_callbacks.get(args[0])
        options.pop("keys", None)
        return reply if parse is None else parse(reply, **options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - the client's own
        """Close all connections. Commands that still wait fail."""
        if self._session is not None:
            await self._session.close()
        await super().aclose(close_connection_pool)


class _Session:
    """One connection, from opening to loss, and the commands that wait for replies on it."""

    def __init__(self, connection: Connection, timeout_seconds: float) -> None:
        # Whether it takes further commands.
        self.is_open = True
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self._has_unsent = asyncio.Event()
        # Deadlines and replies of the commands in order. Bounded by time: callers come back when theirs has passed.
        self._unanswered: deque[tuple[float, asyncio.Future[Any]]] = deque()
        # Runs at the deadline of one of them, and not for each: most are answered long before.
        self._timer: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._run(), name="store connection")

    def send(self, command: bytes) -> asyncio.Future[Any]:
        """Send a command with all others of this iteration of the event loop. Returns its reply."""
        reply = self._loop.create_future()
        deadline = self._loop.time() + self._timeout_seconds
        self._unanswered.append((deadline, reply))
        self._unsent.append(command)
        self._has_unsent.set()
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._check_deadlines)
        return reply

    async def close(self) -> None:
        """End at once."""
        await cancel_and_wait(self._task)

    async def _run(self) -> None:
        lost: Exception = ConnectionLost("connection closed")
        sending: asyncio.Task[None] | None = None
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call]
            # From here on, commands have deadlines instead.
            self._connection.socket_timeout = None
            sending = asyncio.create_task(self._send_commands(), name="store commands")
            await self._receive_replies()
        except (RedisError, OSError) as error:
            lost = error
        finally:
            self.is_open = False
            if self._timer is not None:
                self._timer.cancel()
            for _, reply in self._unanswered:
                # Each caller raises its own: raising an exception extends its traceback.
                failure = ConnectionLost(str(lost))
                failure.__cause__ = lost
                _fail(reply, failure)
            if sending is not None:
                sending.cancel()
            # Does not wait for anything, so that a second cancellation cannot interrupt it.
            await self._connection.disconnect(nowait=True)

    async def _send_commands(self) -> None:
        # An error closes the connection, which ends _receive_replies.
        with suppress(RedisError, OSError):
            while True:
                await self._has_unsent.wait()
                self._has_unsent.clear()
                commands, self._unsent = self._unsent, []
                await self._connection.send_packed_command(commands, check_health=False)

    async def _receive_replies(self) -> None:
        received = 0
        while self.is_open or self._unanswered:
            try:
                result = await self._connection.read_response(timeout=math.inf)
            except ResponseError as error:
                result = error
            _, reply = self._unanswered.popleft()
            if isinstance(result, ResponseError):
                _fail(reply, result)
            elif not reply.done():
                reply.set_result(result)
            received += 1
            if received % _REPLIES_PER_ITERATION == 0:
                await asyncio.sleep(0)

    def _check_deadlines(self) -> None:
        """Fail the commands whose time has passed. Ends after the last one: later commands use another connection."""
        now = self._loop.time()
        overdue = [reply for deadline, reply in self._unanswered if deadline <= now]
        for reply in overdue:
            _fail(reply, TimeoutError(f"no reply within {self._timeout_seconds:g} s"))
        self.is_open = self.is_open and not overdue
        self._timer = None
        if len(overdue) < len(self._unanswered):
            deadline, _ = self._unanswered[len(overdue)]
            self._timer = self._loop.call_at(deadline, self._check_deadlines)
        elif not self.is_open:
            self._task.cancel()


def _fail(reply: asyncio.Future[Any], error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)
