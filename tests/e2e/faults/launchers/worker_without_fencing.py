"""Runs Celery with workers that may write to a segment after losing its lease: require_lease accepts every write."""

from __future__ import annotations

from celery.__main__ import main

from tasks.storage import scripts

_CHECK = (
    "if segment.state == 'leased' and segment.token == ARGS.token and get_field(ARGS.job, 'status') == 'RUNNING' then"
)

_load_script = scripts.load_script


def _load_script_without_fencing(name: str) -> str:
    text = _load_script(name)
    assert _CHECK in text
    return text.replace(_CHECK, "if true then")


if __name__ == "__main__":
    scripts.load_script = _load_script_without_fencing
    main()
