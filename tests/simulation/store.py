"""The simulated store: a real Valkey that runs the real scripts, with a clock and time-to-lives that the seed decides.

A copy of all keys is kept here. Each call reports what it wrote, so that invariants are checked without reading more,
and the store can lose its last second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import hiredis
import redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError

from tests.simulation import lua

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.clock import Clock

PREFIX = "s:"

# What `appendfsync everysec` may lose.
LOSABLE_MS = 1_000

# Commands of other programs, as scripts, so that they are reported like the others.
POP = "return { call('RPOP', KEYS[1] .. ARGV[1]) }"
PUSH = "return { call('RPUSH', KEYS[1] .. ARGV[1], ARGV[2]) }"
DELETE = "return { call('DEL', KEYS[1] .. ARGV[1]) }"
COUNT_EXISTING = "return { redis.call('EXISTS', unpack(ARGV)) }"
# A tool of Celery registers a queue of an exchange until a deadline, or for good.
REGISTER_TOOL = """\
local exchange, queue, deadline = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('ZADD', KEYS[1] .. '_kombu.binding_deadlines', deadline, exchange)
redis.call('SADD', KEYS[1] .. '_kombu.binding.' .. exchange, '\\006\\022\\006\\022' .. queue)
if ARGV[4] == '1' then redis.call('SADD', KEYS[1] .. '_kombu.binding_permanent.' .. exchange, queue) end
return { redis.call('RPUSH', KEYS[1] .. queue, 'reply') }
"""
SET_FIELD = "return { call('HSET', KEYS[1] .. ARGV[1], ARGV[2], ARGV[3]) }"


class Value(NamedTuple):
    """The value of a key: its type as Redis names it, and the content."""

    kind: str
    content: Any


@dataclass(slots=True)
class State:
    """All keys without their prefix, and when they expire by the store's clock."""

    values: dict[str, Value] = field(default_factory=dict)
    expiries: dict[str, int] = field(default_factory=dict)

    def copy(self) -> State:
        return State(dict(self.values), dict(self.expiries))

    def hash(self, key: str) -> dict[str, str]:
        """A hash; empty if there is no such key."""
        value = self.values.get(key)
        return {} if value is None else value.content

    def scores(self, key: str) -> dict[str, float]:
        """A sorted set; empty if there is no such key."""
        value = self.values.get(key)
        return {} if value is None else value.content

    def is_permanent(self, key: str) -> bool:
        """Whether there is such a key, without a time-to-live."""
        return key in self.values and key not in self.expiries

    def length(self, key: str) -> int:
        value = self.values.get(key)
        return 0 if value is None else len(value.content)


class SimulatedStore:
    """The server, in one history at a time."""

    def __init__(self, port: int, branches: lua.Branches) -> None:
        self._client = redis.Redis(port=port)
        self._connection: Any = redis.Connection(port=port, protocol=2)  # type: ignore[no-untyped-call]
        self._connection.connect()  # type: ignore[no-untyped-call]
        self._branches = branches
        self._hashes: dict[str, str] = {}
        self.state = State()
        self.changed: set[str] = set()

    def begin(self, clock: Clock, publish: Callable[[bytes], None]) -> None:
        """Begin a history with an empty store."""
        self._clock = clock
        self._publish = publish
        self.state = State()
        self.changed = set()
        self._past: deque[tuple[int, State]] = deque([(0, self.state.copy())])
        self.is_down = False
        self._client.flushdb()
        self.set_refusing(full=False, read_only=False)

    def close(self) -> None:
        self._connection.disconnect()
        self._client.close()

    def set_refusing(self, *, full: bool, read_only: bool) -> None:
        """Let the server refuse writes that need memory, or all writes."""
        self.is_full, self.is_read_only = full, read_only
        self._client.config_set("maxmemory", 1 if full else 0)
        self._client.config_set("min-replicas-to-write", 1 if read_only else 0)

    def run(self, script: str, *arguments: str | bytes | int) -> Any:
        """Run a script's text with arguments, now.

        Raises:
            ConnectionLost: the server is down.
            ResponseError: it refused.
        """
        if self.is_down:
            raise ConnectionLost("the server is down")
        self.expire()
        try:
            result, found, events, branches = self._evaluate(script, *arguments)
        except ResponseError:
            found = self._evaluate(lua.OBSERVE_ALL)[1]
            self._observe_all(found)
            raise
        for number in branches:
            self._branches.taken[number] += 1
        for one in found:
            self._observe(one)
        for event in events:
            self._publish(event)
        if found:
            self._remember()
        return result

    def expire(self) -> None:
        """Delete the keys whose time has passed."""
        now = self._clock.store_ms
        over = [key for key, at in self.state.expiries.items() if at <= now]
        if over:
            self._client.delete(*(PREFIX + key for key in over))
            for key in over:
                del self.state.values[key], self.state.expiries[key]
            self.changed.update(over)
            self._remember()

    def lose_last_second(self) -> None:
        """The server restarts from a file to which the last second was not written."""
        self.state = self._past[0][1].copy()
        self.changed.update(self.state.values)
        is_full, is_read_only = self.is_full, self.is_read_only
        self.set_refusing(full=False, read_only=False)
        pipeline: Any = self._client.pipeline(transaction=False)
        pipeline.flushdb()
        for key, (kind, content) in self.state.values.items():
            name = PREFIX + key
            if kind == "hash":
                pipeline.hset(name, mapping=content)
            elif kind == "zset":
                pipeline.zadd(name, content)
            elif kind == "list":
                pipeline.rpush(name, *content)
            elif kind == "set":
                pipeline.sadd(name, *content)
            else:
                pipeline.set(name, content)
            if key in self.state.expiries:
                pipeline.execute_command("PEXPIREAT", name, lua.FAR_FUTURE_MS)
        pipeline.execute()
        self.set_refusing(full=is_full, read_only=is_read_only)
        self._past = deque([(self._clock.elapsed_ms, self.state.copy())])

    def _evaluate(self, script: str, *arguments: Any) -> Any:
        digest = self._hashes.get(script)
        if digest is None:
            text = script if script is lua.OBSERVE_ALL else lua.observed(script)
            digest = self._hashes[script] = str(self._client.script_load(text))
        keys = (PREFIX, str(self._clock.store_ms))
        self._connection.send_packed_command([hiredis.pack_command(("EVALSHA", digest, 2, *keys, *arguments))])
        return self._connection.read_response()

    def _observe_all(self, found: Sequence[Any]) -> None:
        before = self.state.values
        self.state.values = {}
        for one in found:
            self._observe(one)
        self.changed.update(key for key in before.keys() | self.state.values.keys())
        for key in self.state.expiries.keys() - self.state.values.keys():
            del self.state.expiries[key]
        self._remember()

    def _observe(self, found: Sequence[Any]) -> None:
        key = found[0].decode().removeprefix(PREFIX)
        kind = found[1].decode()
        self.changed.add(key)
        if kind == "none":
            self.state.values.pop(key, None)
            self.state.expiries.pop(key, None)
            return
        content, ttl = found[2], found[3]
        self.state.values[key] = Value(kind, _parsed(kind, content))
        if ttl is not None:
            self.state.expiries.pop(key, None)
            if ttl >= 0:
                self.state.expiries[key] = self._clock.store_ms + ttl

    def _remember(self) -> None:
        now = self._clock.elapsed_ms
        self._past.append((now, self.state.copy()))
        while len(self._past) > 1 and self._past[1][0] <= now - LOSABLE_MS:
            self._past.popleft()


def _parsed(kind: str, content: Any) -> Any:
    if kind == "hash":
        return {content[i].decode(): content[i + 1].decode() for i in range(0, len(content), 2)}
    if kind == "zset":
        return {content[i].decode(): float(content[i + 1]) for i in range(0, len(content), 2)}
    return content
