"""Runs Celery with workers that may write to a segment after losing its lease: require_lease accepts every write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.__main__ import main

from tasks.storage import scripts

if TYPE_CHECKING:
    from tasks.settings import JobSettings
    from tasks.storage.scripts import Script

_CHECK = (
    "if segment.state == 'leased' and segment.token == ARGS.token and get_field(ARGS.job, 'status') == 'RUNNING' then"
)

_load_script = scripts.load_script


def _load_script_without_fencing(script: type[Script[Any]], settings: JobSettings) -> str:
    text = _load_script(script, settings)
    assert (_CHECK in text) == ("require_lease" in text)
    return text.replace(_CHECK, "if true then")


if __name__ == "__main__":
    scripts.load_script = _load_script_without_fencing
    main()
