"""The simulated store: a real Valkey that runs the real scripts, with a clock and time-to-lives that the seed decides.

A copy of all keys is kept here. Each call reports what it wrote, so that invariants are checked without reading more,
and the store can lose its last second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.connection import DefaultParser
from redis.exceptions import ConnectionError as ConnectionLost

from tests.simulation.world import lua
from tests.simulation.world.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.simulation.world.clock import Clock

PREFIX = "s:"

# The server's Unix socket, in its folder.
SOCKET = "socket"

# What `appendfsync everysec` may lose.
LOSABLE_MS = 1_000

# How errors begin with which the server refuses to write.
REFUSALS = ("OOM ", "NOREPLICAS ")

# Commands of other programs, as scripts, so that they are reported like the others.
POP = "return { call('RPOP', KEYS[1] .. ARGV[1]) }"
POP_NEWEST = "return { call('LPOP', KEYS[1] .. ARGV[1]) }"
PUSH = "return { call('RPUSH', KEYS[1] .. ARGV[1], ARGV[2]) }"
# The queue can have expired since it was chosen.
TO_THE_END = """
local message = call('RPOP', KEYS[1] .. ARGV[1])
return { message and call('LPUSH', KEYS[1] .. ARGV[1], message) }
"""
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
# The key can have expired since it was chosen.
SET_FIELD = """
if redis.call('EXISTS', KEYS[1] .. ARGV[1]) == 0 then return { 0 } end
return { call('HSET', KEYS[1] .. ARGV[1], ARGV[2], ARGV[3]) }
"""


class Value(NamedTuple):
    """The value of a key: its type as Redis names it, and the content."""

    kind: str
    content: Any


@dataclass(slots=True)
class State:
    """All keys without their prefix, and when they expire by the store's clock."""

    values: dict[str, Value] = field(default_factory=dict)
    expiries: dict[str, int] = field(default_factory=dict)

    def hash(self, key: str) -> dict[str, str]:
        """A hash; empty if there is no such key."""
        value = self.values.get(key)
        return {} if value is None else value.content

    def scores(self, key: str) -> dict[str, float]:
        """A sorted set; empty if there is no such key."""
        value = self.values.get(key)
        return {} if value is None else value.content

    def length(self, key: str) -> int:
        value = self.values.get(key)
        return 0 if value is None else len(value.content)


class _Write(NamedTuple):
    """A write that a restart may lose: its time, and the key before it."""

    at_ms: int
    key: str
    value: Value | None
    expiry: int | None


class SimulatedStore:
    """The server, in one history at a time."""

    def __init__(self, path: Path, branches: lua.Branches) -> None:
        self._connection = Connection(path)
        self._branches = branches
        self._hashes: dict[str, bytes] = {}
        self.state = State()
        self.changed: set[str] = set()

    def begin(self, clock: Clock, publish: Callable[[bytes], None], violate: Callable[[str], None]) -> None:
        """Begin a history with an empty store.

        Args:
            clock: the clock of the store.
            publish: called with each event.
            violate: called when a script fails for another reason than a refusal to write.
        """
        self._clock = clock
        self._publish = publish
        self._violate = violate
        self.state = State()
        self.changed = set()
        self._writes: deque[_Write] = deque()
        self.is_down = False
        self.set_refusing(full=False, read_only=False)
        self._connection.call("FLUSHDB")

    def close(self) -> None:
        self._connection.close()

    @property
    def is_available(self) -> bool:
        """Whether it answers all commands."""
        return not (self.is_down or self.is_full or self.is_read_only)

    def set_refusing(self, *, full: bool, read_only: bool) -> None:
        """Let the server refuse writes that need memory, or all writes."""
        self.is_full, self.is_read_only = full, read_only
        self._connection.call("CONFIG", "SET", "maxmemory", int(full), "min-replicas-to-write", int(read_only))

    def run(self, script: str, *arguments: str | bytes | int) -> Any:
        """Run a script's text with arguments, now.

        Raises:
            ConnectionLost: the server is down.
            ResponseError: it refused.
        """
        if self.is_down:
            raise ConnectionLost("the server is down")
        self.expire()
        result, found, events, branches = self._evaluate(script, *arguments)
        for number in branches:
            self._branches.taken[number] += 1
        if found:
            self._forget_old_writes()
        for one in found:
            self._observe(one)
        for event in events:
            self._publish(event)
        if isinstance(result, bytes):
            self._refuse(result.decode())
        return result

    def _refuse(self, error: str) -> None:
        if not error.startswith(REFUSALS):
            self._violate(f"a script failed: {error}")
        raise DefaultParser.parse_error(error)  # type: ignore[no-untyped-call]

    def expire(self) -> None:
        """Delete the keys whose time has passed."""
        now = self._clock.store_ms
        over = [key for key, at in self.state.expiries.items() if at <= now]
        if over:
            self._connection.call("DEL", *(PREFIX + key for key in over))
            self._forget_old_writes()
            for key in over:
                self._remember(key)
                del self.state.values[key], self.state.expiries[key]
            self.changed.update(over)

    def lose_last_second(self) -> None:
        """The server restarts from a file to which the last second was not written."""
        for write in reversed(self._writes):
            _restore(self.state.values, write.key, write.value)
            _restore(self.state.expiries, write.key, write.expiry)
            self.changed.add(write.key)
        self._writes.clear()
        is_full, is_read_only = self.is_full, self.is_read_only
        self.set_refusing(full=False, read_only=False)
        self._connection.call_all([("FLUSHDB",), *self._commands()])
        self.set_refusing(full=is_full, read_only=is_read_only)

    def hash_after_loss(self, key: str) -> dict[str, str]:
        """A hash as it would be without the last second; empty if there would be none."""
        for write in self._writes:
            if write.key == key:
                return {} if write.value is None else write.value.content
        return self.state.hash(key)

    def _commands(self) -> Iterator[tuple[str | bytes | int, ...]]:
        """What gives the server its state."""
        for key, (kind, content) in self.state.values.items():
            name = PREFIX + key
            if kind == "hash":
                yield "HSET", name, *(part for pair in content.items() for part in pair)
            elif kind == "zset":
                yield "ZADD", name, *(part for member, score in content.items() for part in (repr(score), member))
            elif kind == "list":
                yield "RPUSH", name, *content
            elif kind == "set":
                yield "SADD", name, *content
            else:
                yield "SET", name, content
            if key in self.state.expiries:
                yield "PEXPIREAT", name, lua.FAR_FUTURE_MS

    def _evaluate(self, script: str, *arguments: Any) -> Any:
        digest = self._hashes.get(script)
        if digest is None:
            digest = self._hashes[script] = self._connection.call("SCRIPT", "LOAD", lua.observed(script))
        return self._connection.call("EVALSHA", digest, 2, PREFIX, self._clock.store_ms, *arguments)

    def _observe(self, found: Sequence[Any]) -> None:
        key, kind, content, ttl = found[0].decode().removeprefix(PREFIX), found[1].decode(), found[2], found[3]
        self._remember(key)
        self.changed.add(key)
        if kind == "none":
            self.state.values.pop(key, None)
            self.state.expiries.pop(key, None)
            return
        if kind != "ttl":
            self.state.values[key] = Value(kind, _parsed(kind, content))
        if ttl is not None:
            self.state.expiries.pop(key, None)
            if ttl >= 0:
                self.state.expiries[key] = self._clock.store_ms + ttl

    def _remember(self, key: str) -> None:
        """Called before a key changes."""
        values, expiries = self.state.values, self.state.expiries
        self._writes.append(_Write(self._clock.elapsed_ms, key, values.get(key), expiries.get(key)))

    def _forget_old_writes(self) -> None:
        """Called before new writes: those of more than a second before them are kept by a restart."""
        kept_until = self._clock.elapsed_ms - LOSABLE_MS
        while self._writes and self._writes[0].at_ms <= kept_until:
            self._writes.popleft()


def _restore(keys: dict[str, Any], key: str, value: object) -> None:
    """Give a key the value that it had; None: there was none."""
    if value is None:
        keys.pop(key, None)
    else:
        keys[key] = value


def _parsed(kind: str, content: Any) -> Any:
    if kind == "hash":
        return {content[i].decode(): content[i + 1].decode() for i in range(0, len(content), 2)}
    if kind == "zset":
        return {content[i].decode(): float(content[i + 1]) for i in range(0, len(content), 2)}
    return content
