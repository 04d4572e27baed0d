"""The protocol of the Lua scripts in `lua/`: how arguments are passed, and the constants shared with Python.

A call of a script is an object: its fields are the arguments, and `parse` makes a typed result of the reply. The calls
themselves are in tasks.storage.api_scripts and tasks.storage.worker_scripts.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from tasks.jobs import JobStatus
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


class Script(ABC, Generic[R]):
    """A call of one script, a dataclass. Fields that are None are omitted, those of type bytes passed separately."""

    __slots__ = ()

    # Name of the file in `lua/`.
    name: ClassVar[str]

    @abstractmethod
    def parse(self, reply: Reply) -> R:
        """The typed result."""

    def encode(self, settings: JobSettings) -> list[str | bytes]:
        """ARGV of the script: a JSON object with the arguments, then the fields of type bytes."""
        arguments = {
            "job_ttl_ms": settings.job_ttl_seconds * 1000,
            "result_ttl_ms": settings.result_ttl_seconds * 1000,
        }
        parts: list[str | bytes] = []
        for field in fields(self):  # type: ignore[arg-type] # each subclass is a dataclass
            value = getattr(self, field.name)
            if isinstance(value, bytes):
                parts.append(value)
            elif value is not None:
                arguments[field.name] = value
        return [json.dumps(arguments), *parts]


def load_script(name: str) -> str:
    """Lua source of a script: constants, the functions that all scripts share, and its own code."""
    parts = [(_FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in (*SHARED, name)]
    return "\n".join([_constants(name), *parts])


def _constants(name: str) -> str:
    final = ", ".join(f"{status} = true" for status in JobStatus if status.is_final)
    return f"""\
local SCRIPT = '{name}'
local RECORD_FORMAT = '{RECORD_FORMAT}'
local STATUSES = {_list(JobStatus)}
local FINAL = {{ {final} }}
local QUEUES, SMALL_QUEUE = {_list(QUEUES)}, '{SMALL_QUEUE}'
local SENDING_WINDOW = {SENDING_WINDOW}
local WORKER_TTL_MS = {WORKER_TTL // timedelta(milliseconds=1)}
local MESSAGE_TEMPLATE = [==[{MESSAGE_TEMPLATE}]==]
"""


def _list(names: Iterable[str]) -> str:
    return "{ " + ", ".join(f"'{name}'" for name in names) + " }"
