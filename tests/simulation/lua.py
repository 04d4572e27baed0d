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
    from collections.abc import Callable, Mapping

# Every key has this expiry on the server, the year 3000: the simulation lets keys expire by its own clock. A key with
# another one was given a time-to-live by the call.
FAR_FUTURE_MS = 32_503_680_000_000

_WRITES = (
    "HSET",
    "HINCRBY",
    "ZADD",
    "ZREM",
    "ZREMRANGEBYSCORE",
    "PEXPIRE",
    "PEXPIREAT",
    "SADD",
    "SET",
    "LPUSH",
    "RPUSH",
    "RPOP",
    "LREM",
    "DEL",
)

_BEFORE = f"""\
local HITS, WRITTEN, EVENTS = {{}}, {{}}, {{}}
local function HIT(number) HITS[number] = true end
local WRITES = {{ {", ".join(f"{name} = true" for name in _WRITES)} }}
local function call(command, key, ...)
  if command == 'PUBLISH' then EVENTS[#EVENTS + 1] = (...) return 0 end
  if WRITES[command] then WRITTEN[key] = true end
  -- A time of the simulated clock.
  if command == 'PEXPIREAT' then return redis.call('PEXPIRE', key, math.max((...) - tonumber(KEYS[2]), 0)) end
  return redis.call(command, key, ...)
end
local RESULT = (function()
"""

_OBSERVE = f"""\
local function observe(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return {{ key, kind }} end
  local value
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  else value = redis.call('GET', key) end
  local ttl = false
  if redis.call('PEXPIRETIME', key) ~= {FAR_FUTURE_MS} then
    ttl = redis.call('PTTL', key)
    if ttl >= 0 then redis.call('PEXPIREAT', key, '{FAR_FUTURE_MS}') end
  end
  return {{ key, kind, value, ttl }}
end
"""

_AFTER = f"""\
end)()
{_OBSERVE}
local FOUND, NUMBERS = {{}}, {{}}
for key in pairs(WRITTEN) do FOUND[#FOUND + 1] = observe(key) end
for number in pairs(HITS) do NUMBERS[#NUMBERS + 1] = number end
return {{ RESULT, FOUND, EVENTS, NUMBERS }}
"""

# Reads all keys, after a call that failed.
OBSERVE_ALL = f"""\
{_OBSERVE}
local FOUND = {{}}
for _, key in ipairs(redis.call('KEYS', '*')) do FOUND[#FOUND + 1] = observe(key) end
return {{ {{}}, FOUND, {{}}, {{}} }}
"""

_CLOCK = "local function clock() return tonumber(KEYS[2]) end\n"

_WORD = re.compile(r"\[(=*)\[.*?\]\1\]|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[A-Za-z_]\w*|\n|.", re.DOTALL)


class Branches:
    """The branches of all scripts, numbered in the order in which they were marked, and how often each was taken."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.taken: list[int] = []

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
        return f"HIT({len(self.labels) - 1})"


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
    """A whole script that also reports what it did: its result, written keys, events and branches."""
    return _BEFORE + text.replace("redis.call(", "call(") + _AFTER
