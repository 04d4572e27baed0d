"""An invalid setting is one line with its name, its value and its bound. tests/e2e runs every program with one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gql import keys
from gql.local import __main__ as local_run
from observability.logs import LogSettings
from tasks.settings import JobSettings
from tasks.settings.errors import InvalidSettingError, read, read_or_exit
from tasks.worker import healthcheck
from tests import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("MAX_COUNT", "0", "MAX_COUNT is 0: must be 1 to 2000000000"),
        ("MAX_COUNT", "a\nb", "MAX_COUNT is 'a\\nb': must be 1 to 2000000000"),
        ("MAX_COUNT", "9" * 5_000, f"MAX_COUNT is {'9' * 80}: must be 1 to 2000000000"),
        ("LEASE_SECONDS", "-inf", "LEASE_SECONDS is -inf: must be 0.2 to 600"),
        ("REDIS_URL", "redis://:secret@a b", "REDIS_URL is invalid: must not contain spaces or control characters"),
        (
            "RESULTS_URL",
            "s3://key:secret@b",
            "RESULTS_URL is invalid: must have the name of a bucket and no credentials",
        ),
    ],
)
def test_line_has_the_name_the_value_and_the_bound(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingError) as error:
        read(JobSettings)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_all_invalid_settings_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "xml")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(SystemExit) as ended:
        read_or_exit(LogSettings)
    assert ended.value.code == (
        "error: LOG_FORMAT is xml: must be text, json; LOG_LEVEL is loud: must be DEBUG, INFO, WARNING, ERROR"
    )


@pytest.mark.parametrize(
    "main",
    [lambda _: local_run.main(), keys.main, lambda _: healthcheck.main()],
    ids=["local run", "keys", "health check"],
)
def test_programs_end_with_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], main: Callable[[Sequence[str]], int]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1/6/")
    ended = commands.run(main, ["list"], capsys)
    line = ended.stderr.rstrip("\n") or ended.returncode
    assert line == (
        "error: REDIS_URL is invalid: must have a database from 0 to 2147483647 after the host and one slash, e.g. /0"
    )
