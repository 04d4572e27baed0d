"""API keys from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gql import keys
from gql.auth.api_keys import PresentedKey
from tests import commands
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands import Ended
    from tests.programs import Valkey


@pytest.fixture
def run(
    valkey: Valkey, prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """The command in this process. The tests of the documentation run it as a program."""
    monkeypatch.setenv("REDIS_URL", valkey.url)
    monkeypatch.setenv("KEY_PREFIX", prefix)
    return lambda *arguments: commands.run(keys.main, arguments, capsys)


def test_key_is_created_listed_and_revoked(run: Callable[..., Ended]) -> None:
    created = run("create", "alice", "--days", "30")
    key = PresentedKey.parse(created.stdout.strip())
    assert key is not None
    listed = run("list").stdout
    assert listed.startswith(f"{key.id}  alice  created ")
    assert key.secret not in listed
    assert run("revoke", created.stdout.strip()).returncode == 0
    assert run("list").stdout == ""
    again = run("revoke", key.id)
    assert (again.returncode, again.stderr) == (1, f"error: no API key has the id {key.id}\n")


@pytest.mark.parametrize("days", ["0", "-1", "nan", "inf", "1e400", "36501", "soon", ""])
def test_days_out_of_bounds_are_refused(run: Callable[..., Ended], days: str) -> None:
    refused = run("create", "alice", f"--days={days}")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "argument --days: " in refused.stderr.splitlines()[-1]
    assert run("list").stdout == ""


def test_errors_are_one_line(run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("create", "a b")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("error: name is 'a b', must be 1 to 64 letters")
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    refused = run("list")
    assert (refused.returncode, refused.stderr) == (1, "error: the job store is unavailable\n")
