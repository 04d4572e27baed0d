"""Commands of the project, run by their main functions in the process of the tests."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and its output."""

    returncode: object
    stdout: str
    stderr: str


def run(main: Callable[[Sequence[str]], int], arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> Ended:
    """Run a command to its end. Signal handlers are restored afterwards."""
    capsys.readouterr()
    handler = signal.getsignal(signal.SIGTERM)
    code: object
    try:
        code = main(arguments)
    except SystemExit as error:
        code = error.code
    finally:
        signal.signal(signal.SIGTERM, handler)
    return Ended(code, *capsys.readouterr())
