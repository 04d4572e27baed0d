"""Entry point: `python -m gql.local`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from gql.local import children, preflight
from gql.local.console import Console
from gql.local.errors import CannotRun
from gql.local.settings import LocalSettings, read_settings
from gql.local.supervisor import Supervisor
from gql.local.terminal import in_foreground_alone

if TYPE_CHECKING:
    from types import FrameType


def main() -> int:
    """Run the system until it is told to stop. 0 when it was, 1 with one line when it could not run."""
    signal.signal(signal.SIGTERM, _stop_before_start)
    try:
        settings = read_settings()
        with in_foreground_alone(), preflight.checked(settings) as lock:
            return run(settings, lock)
    except CannotRun as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        # Nothing was started yet, or all of it has ended.
        return 0


def run(settings: LocalSettings, lock: int) -> int:
    """Start all, and end all."""
    stages = children.stages(settings, os.environ)
    names = [spec.name for stage in stages for spec in stage.children]
    colour = sys.stdout.isatty() and not settings.no_color and settings.term != "dumb"
    console = Console(names, colour=colour)
    try:
        asyncio.run(Supervisor(console, inherited=(lock,)).run(stages, children.url(settings)))
    except CannotRun as error:
        # The last line of the one stream, after what the programs said while they ended.
        console.error(str(error))
        return 1
    finally:
        console.close()
    return 0


def _stop_before_start(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
