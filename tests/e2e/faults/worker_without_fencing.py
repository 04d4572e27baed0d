"""Celery, whose workers may write to a segment that they have lost: what held.lua would refuse is let through."""

from __future__ import annotations

from celery.__main__ import main

from tasks.storage import records
from tests.programs import ROOT

_HELD = (ROOT / "tasks/storage/lua/held.lua").read_text(encoding="utf-8")
_UNFENCED = "local held = load_segment(A.job, A.index)\n"

_script_text = records.script_text


def _unfenced(name: str) -> str:
    return _script_text(name).replace(_HELD, _UNFENCED)


if __name__ == "__main__":
    records.script_text = _unfenced
    main()
