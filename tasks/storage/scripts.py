"""The protocol of the Lua scripts in `lua/`: how arguments are passed, and the constants shared with Python.

A call of a script is an object: its fields are the arguments, and `parse` makes a typed result of the reply. The calls
themselves are in tasks.storage.api_scripts and tasks.storage.worker_scripts.

Arguments are passed by position, and the loaded script begins with a table that gives them their names and types. What
is the same in every call of a process is a constant of the loaded script.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import orjson

from tasks.jobs import JobStatus
from tasks.settings.job_settings import MAX_LEASE_SECONDS
from tasks.storage.messages import MESSAGE_TEMPLATE, QUEUES, SENDING_WINDOW, SMALL_QUEUE
from tasks.storage.records import RECORD_FORMAT, WORKER_TTL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tasks.settings import JobSettings

R = TypeVar("R")

# A script's reply as the client returns it: nested lists of bytes, integers and None, see `records.parse_fields`.
Reply = Any

_FOLDER = Path(__file__).parent / "lua"

# Files in `lua/` with functions for all scripts.
SHARED = ("lib", "claims")

# Functions that a call of a script reaches at most once, and many calls never.
CONDITIONAL = {"lose_attempt", "claim_from_queue", "send_next_segments", "queue_stats"}

# How a script reads an argument of each type from ARGV. None is passed as an empty text.
_READ_ARGUMENT = {
    "str": "ARGV[{0}]",
    "str | None": "ARGV[{0}] ~= '' and ARGV[{0}] or nil",
    "int": "tonumber(ARGV[{0}])",
    "int | None": "tonumber(ARGV[{0}])",
    "bool": "ARGV[{0}] == '1'",
    "bytes": "ARGV[{0}]",
    "Sequence[str]": "cjson.decode(ARGV[{0}])",
}

_DEFINITION = re.compile(r"^local (?:function )?(\w+(?:, \w+)*).*?(?=^local |\Z)", re.MULTILINE | re.DOTALL)


class Script(ABC, Generic[R]):
    """A call of one script, a dataclass."""

    __slots__ = ()

    # Name of the file in `lua/`.
    name: ClassVar[str]

    @abstractmethod
    def parse(self, reply: Reply) -> R:
        """The typed result."""

    def encode(self) -> list[str | bytes | int]:
        """ARGV of the script: one argument per field."""
        return [_encode_argument(getattr(self, name)) for name in _argument_names(type(self))]


def load_script(script: type[Script[Any]], settings: JobSettings) -> str:
    """Lua source of a script: constants, arguments, the shared functions that it uses, and its own code.

    The server creates all functions of a script again in every call. So functions that a script does not use are left
    out, and those that only one of CONDITIONAL uses are moved into it.
    """
    return _assemble(script.name, _constants(script, settings))


@cache
def _assemble(name: str, constants: str) -> str:
    used = [_Definition((), _read(name))]
    for definition in reversed([found for part in (constants, *map(_read, SHARED)) for found in _definitions(part)]):
        if any(definition.is_used_by(other) for other in used):
            used.insert(0, definition)
    for outer in [definition for definition in used if not CONDITIONAL.isdisjoint(definition.names)]:
        inner: list[_Definition] = []
        for definition in reversed(used[: used.index(outer)]):
            others = [other for other in used if other not in {definition, outer, *inner}]
            if definition.is_used_by(outer, *inner) and not definition.is_used_by(*others):
                inner.insert(0, definition)
        signature, _, body = outer.text.partition("\n")
        whole = _Definition(outer.names, "\n".join([signature, *(definition.text for definition in inner), body]))
        used = [whole if other is outer else other for other in used if other not in inner]
    return "".join(definition.text for definition in used)


@dataclass(frozen=True, slots=True)
class _Definition:
    """A definition of a library with the names that it defines, or a script's own code."""

    names: tuple[str, ...]
    text: str

    def is_used_by(self, *others: _Definition) -> bool:
        return any(not other.words.isdisjoint(self.names) for other in others)

    @property
    def words(self) -> frozenset[str]:
        return _words(self.text)


@cache
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text))


def _read(name: str) -> str:
    """A file without its comments."""
    return re.sub(r"^ *--.*\n", "", (_FOLDER / f"{name}.lua").read_text(encoding="utf-8"), flags=re.MULTILINE)


def _definitions(library: str) -> list[_Definition]:
    """The definitions in a text, each beginning with `local` at the start of a line."""
    return [_Definition(tuple(match[1].split(", ")), match[0]) for match in _DEFINITION.finditer(library)]


def _encode_argument(value: Any) -> str | bytes | int:  # noqa: ANN401 - one of the types in _READ_ARGUMENT
    if isinstance(value, (str, bytes)):
        return value
    if value is None:
        return ""
    return int(value) if isinstance(value, int) else orjson.dumps(value)


@cache
def _argument_names(script: type[Script[Any]]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(script))  # type: ignore[arg-type] # each subclass is a dataclass


def _constants(script: type[Script[Any]], settings: JobSettings) -> str:
    arguments = [
        f"{field.name} = {_READ_ARGUMENT[str(field.type)].format(i)}"
        for i, field in enumerate(fields(script), 1)  # type: ignore[arg-type] # each subclass is a dataclass
    ]
    final = ", ".join(f"{status} = true" for status in JobStatus if status.is_final)
    return f"""\
local SCRIPT = '{script.name}'
local ARGS = {{ {", ".join(arguments)} }}
local JOB_TTL_MS, RESULT_TTL_MS = {settings.job_ttl_seconds * 1000}, {settings.result_ttl_seconds * 1000}
local IDEMPOTENCY_TTL_MS = {settings.idempotency_ttl_seconds * 1000}
local CAPACITY, MAX_ATTEMPTS = {settings.queue_capacity}, {settings.max_attempts}
local RECORD_FORMAT = '{RECORD_FORMAT}'
local STATUSES = {_list(JobStatus)}
local FINAL = {{ {final} }}
local QUEUES, SMALL_QUEUE = {_list(QUEUES)}, '{SMALL_QUEUE}'
local SENDING_WINDOW = {SENDING_WINDOW}
local WORKER_TTL_MS = {WORKER_TTL // timedelta(milliseconds=1)}
local MAX_LEASE_MS = {MAX_LEASE_SECONDS * 1000}
local function message_text(job, index, sends, queue, traceparent)
  traceparent = traceparent or ''
  return {_message_parts()}
end
"""


def _message_parts() -> str:
    """The message as a Lua expression: texts and variables in turn."""
    parts = re.split("@(.+?)@", MESSAGE_TEMPLATE)
    return " .. ".join(part if i % 2 else f"[==[{part}]==]" for i, part in enumerate(parts))


def _list(names: Iterable[str]) -> str:
    return "{ " + ", ".join(f"'{name}'" for name in names) + " }"
