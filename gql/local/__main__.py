"""Entry point: `python -m gql.local`."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from gql.local import preflight, programs
from gql.local.console import Console
from gql.local.errors import LocalRunError
from gql.local.settings import LocalSettings, read_settings
from gql.local.supervisor import Supervisor
from gql.local.terminal import own_foreground_group

if TYPE_CHECKING:
    from types import FrameType


def main() -> int:
    """Run the system until SIGINT, SIGTERM or SIGHUP. Returns 0, or 1 after printing why it could not run."""
    signal.signal(signal.SIGTERM, _stop_before_start)
    try:
        settings = read_settings()
        with own_foreground_group(), preflight.checked(settings) as lock:
            return run(settings, lock)
    except LocalRunError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        # Before the first program was started.
        return 0


def run(settings: LocalSettings, lock: int) -> int:
    """Start all programs, wait, and stop them. `lock` is the data folder's lock, which they inherit."""
    all_programs = programs.in_start_order(settings, os.environ)
    colour = sys.stdout.isatty() and not settings.no_color and settings.term != "dumb"
    console = Console([program.name for program in all_programs], colour=colour)
    try:
        Supervisor(console, inherited=(lock,)).run(all_programs, programs.url(settings))
    except LocalRunError as error:
        # After the programs' last output, in the same stream.
        console.error(str(error))
        return 1
    finally:
        console.close()
    return 0


def _stop_before_start(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
