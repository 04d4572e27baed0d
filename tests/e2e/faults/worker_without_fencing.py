"""Runs Celery with workers that may write to a segment that they have lost: without the check of require_lease.lua."""

from __future__ import annotations

from celery.__main__ import main

from tasks.storage import scripts
from tests.programs import ROOT

_REQUIRE_LEASE = (ROOT / "tasks/storage/lua/require_lease.lua").read_text(encoding="utf-8")
_WITHOUT_CHECK = "local segment = load_segment(ARGS.job, ARGS.index)\n"

_load_script = scripts.load_script


def _load_script_without_fencing(name: str) -> str:
    return _load_script(name).replace(_REQUIRE_LEASE, _WITHOUT_CHECK)


if __name__ == "__main__":
    scripts.load_script = _load_script_without_fencing
    main()
