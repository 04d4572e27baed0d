"""The Lua scripts in `lua/`: their source, and the arguments that they take."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.storage.messages import MESSAGE_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.settings import JobSettings

_FOLDER = Path(__file__).parent / "lua"


def load_script(name: str) -> str:
    """Lua source of a script, with the functions that all share (lib.lua) in front."""
    return "\n".join((_FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in ("lib", name))


def encode_arguments(settings: JobSettings, arguments: Mapping[str, Any]) -> str:
    """A script's JSON argument: its own arguments except those that are None, and the ones every script takes."""
    shared = {
        "job_ttl_ms": settings.job_ttl_seconds * 1000,
        "result_ttl_ms": settings.result_ttl_seconds * 1000,
        "message": MESSAGE_TEMPLATE,
    }
    return json.dumps({**shared, **{name: value for name, value in arguments.items() if value is not None}})


def new_uuid_tail() -> str:
    """Random part of a UUID version 7; the submit script puts the server's time in front."""
    return f"7{str(uuid.uuid4())[15:]}"
