"""The command-line client in the process of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gql.client.__main__ import main
from tests import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands import Ended

    Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the client for a server, with the given arguments. Tests of Ctrl-C start it as a program."""
    return lambda url, *arguments: commands.run(main, ["--url", url, *arguments], capsys)
