"""The Lua scripts as the simulation runs them: with its clock, and a report of what each call did.

The text of each script stays as it is, except for the clock and for marks of the branches. It runs inside a function
whose surroundings note the written keys and the events.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from tasks.storage import scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Every key has this expiry on the server, the year 3000: the simulation lets keys expire by its own clock.
FAR_FUTURE_MS = 32_503_680_000_000

# What a command writes.
_WRITES = {
    "HSET": "hash",
    "HINCRBY": "hash",
    "ZADD": "zset",
    "ZREM": "zset",
    "ZREMRANGEBYSCORE": "zset",
    "SADD": "set",
    "SET": "string",
    "LPUSH": "list",
    "RPUSH": "list",
    "LPOP": "list",
    "RPOP": "list",
    "LREM": "list",
    "DEL": "none",
}
_TIMES_TO_LIVE = {"PEXPIRE", "PEXPIREAT"}
_READS = {
    "EXISTS",
    "GET",
    "HGET",
    "HGETALL",
    "HMGET",
    "LLEN",
    "PTTL",
    "SMEMBERS",
    "TIME",
    "ZCARD",
    "ZLEXCOUNT",
    "ZRANGE",
    "ZRANGEBYLEX",
    "ZRANGEBYSCORE",
    "ZRANK",
    "ZREVRANGEBYLEX",
    "ZSCORE",
}
_COMMAND = re.compile(r"\bcall\('(\w+)'")

_BEFORE = f"""\
local HITS, WRITTEN, EVENTS, TTLS = {{}}, {{}}, {{}}, {{}}
local WRITES = {{ {", ".join(f"{name} = '{kind}'" for name, kind in _WRITES.items())} }}
local function write(kind, command, key, ...)
  local reply = redis.call(command, key, ...)
  WRITTEN[key] = kind
  return reply
end
local function set(key, value, option, milliseconds)
  assert(option == 'PX', 'SET without a time-to-live')
  TTLS[key] = milliseconds
  return write('string', 'SET', key, value, 'PXAT', '{FAR_FUTURE_MS}')
end
local function set_ttl(key, milliseconds)
  if milliseconds <= 0 then return write('none', 'DEL', key) end
  local reply = redis.call('PEXPIREAT', key, '{FAR_FUTURE_MS}')
  if reply == 1 then WRITTEN[key], TTLS[key] = WRITTEN[key] or 'ttl', milliseconds end
  return reply
end
local function call(command, key, ...)
  local kind = WRITES[command]
  if kind == 'string' then return set(key, ...) end
  if kind then return write(kind, command, key, ...) end
  if command == 'PEXPIRE' then return set_ttl(key, (...)) end
  if command == 'PEXPIREAT' then return set_ttl(key, (...) - tonumber(KEYS[2])) end
  if command == 'PUBLISH' then
    EVENTS[#EVENTS + 1] = (...)
    return 0
  end
  return redis.call(command, key, ...)
end
local SUCCEEDED, RESULT = pcall(function()
"""

_AFTER = """\
end)
if not SUCCEEDED then RESULT = type(RESULT) == 'table' and RESULT.err or tostring(RESULT) end
local FOUND, NUMBERS = {}, {}
for key, kind in pairs(WRITTEN) do
  local value, ttl = false, TTLS[key] or false
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'string' then value = redis.call('GET', key) end
  if kind ~= 'ttl' then
    if not value or #value == 0 then kind = 'none'
    elseif redis.call('PEXPIRETIME', key) == -1 then ttl = -1 end
  end
  FOUND[#FOUND + 1] = { key, kind, value, ttl }
end
for number in pairs(HITS) do NUMBERS[#NUMBERS + 1] = number end
return { RESULT, FOUND, EVENTS, NUMBERS }
"""

_CLOCK = "local function clock() return tonumber(KEYS[2]) end\n"

_WORD = re.compile(r"\[(=*)\[.*?\]\1\]|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[A-Za-z_]\w*|\n|.", re.DOTALL)


class Branches:
    """The branches of all scripts, numbered in the order in which they were marked, and how often each was taken."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.taken: list[int] = []

    def collect(self) -> Iterator[tuple[str, int]]:
        """How often each was taken since the last call."""
        taken, self.taken = self.taken, [0] * len(self.labels)
        return zip(self.labels, taken, strict=True)

    def mark(self, file: str, text: str) -> str:
        """The text of a file with a mark in each branch. An `if` without `else` gets one."""
        result: list[str] = []
        lines = text.splitlines()
        line, open_blocks, in_parameters = 0, [], False
        for match in _WORD.finditer(text):
            word = match[0]
            if word == "if":
                open_blocks.append(f"{file}: {lines[line].strip()}")
            elif word in {"do", "function"}:
                open_blocks.append("")
                in_parameters = word == "function"
            elif word == "end":
                if condition := open_blocks.pop():
                    result.append(f"else {self._add(f'{condition} | not')} ")
            elif word == "else":
                open_blocks[-1] = ""
            result.append(word)
            line += word.count("\n")
            if word in {"then", "else", "do"} or (word == ")" and in_parameters):
                in_parameters = False
                result.append(f" {self._add(f'{file}: {lines[line].strip()} | {word}')} ")
        return "".join(result)

    def _add(self, label: str) -> str:
        self.labels.append(label)
        self.taken.append(0)
        return f"HITS[{len(self.labels) - 1}] = true;"


def reader(branches: Branches, replacements: Mapping[str, str]) -> Callable[[str], str]:
    """A replacement for the function that reads a script's file: with the simulated clock and marked branches.

    Args:
        branches: gets the branches of each file.
        replacements: texts that a negative control replaces, each by another.
    """
    read = scripts._read  # noqa: SLF001 - instrumented from outside

    @cache
    def read_marked(name: str) -> str:
        text = read(name)
        if name == "lib":
            text, clocks = re.subn(r"local function clock\(\).*?\nend\n", _CLOCK, text, flags=re.DOTALL)
            assert clocks == 1, "lib.lua has no function `clock`"
        for old, new in replacements.items():
            text = text.replace(old, new)
        return branches.mark(name, text)

    return read_marked


def observed(text: str) -> str:
    """A whole script that also reports what it did: its result or error, written keys, events and branches."""
    text = text.replace("redis.call(", "call(")
    unknown = set(_COMMAND.findall(text)) - {*_WRITES, *_TIMES_TO_LIVE, *_READS, "PUBLISH"}
    assert not unknown, f"the simulation does not know whether {unknown} write"
    return _BEFORE + text + _AFTER
