"""Settings are read from the environment, and contradictory ones are refused at startup."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from tasks.settings import JobSettings

NAMES = (
    "REDIS_URL",
    "REDIS_PASSWORD_FILE",
    "KEY_PREFIX",
    "RESULTS_URL",
    "MAX_COUNT",
    "QUEUE_CAPACITY",
    "JOB_TTL_SECONDS",
    "RESULT_TTL_SECONDS",
    "IDEMPOTENCY_TTL_SECONDS",
    "LEASE_SECONDS",
    "JOB_TIME_LIMIT_SECONDS",
    "MAX_ATTEMPTS",
)


@pytest.fixture(autouse=True)
def _unset_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_every_setting_has_a_default_and_an_environment_variable() -> None:
    assert {name.upper() for name in JobSettings.model_fields} == set(NAMES)
    assert str(JobSettings().redis_url) == "redis://127.0.0.1:6379/0"


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = (
        "redis://store:1234/5",
        "/run/x",
        "p:",
        "s3://bucket/folder",
        "77",
        "12",
        "100",
        "50",
        "60",
        "0.5",
        "30",
        "9",
    )
    for name, value in zip(NAMES, values, strict=True):
        monkeypatch.setenv(name, value)
    settings = JobSettings()
    assert tuple(str(getattr(settings, name.lower())) for name in NAMES) == values
    assert settings.lease == timedelta(milliseconds=500)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "http://127.0.0.1"),
        ("REDIS_URL", "not a url"),
        ("MAX_COUNT", "0"),
        ("MAX_COUNT", str(2 * 10**9 + 1)),
        ("RESULTS_URL", "ftp://host/path"),
        ("QUEUE_CAPACITY", "0"),
        ("JOB_TTL_SECONDS", "0"),
        ("RESULT_TTL_SECONDS", "-1"),
        ("IDEMPOTENCY_TTL_SECONDS", "1.5"),
        ("LEASE_SECONDS", "0.1"),
        ("LEASE_SECONDS", "nan"),
        ("LEASE_SECONDS", "601"),
        ("MAX_ATTEMPTS", "0"),
        ("MAX_ATTEMPTS", "many"),
    ],
)
def test_setting_out_of_bounds_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        JobSettings()


@pytest.mark.parametrize("name", ["RESULT_TTL_SECONDS", "IDEMPOTENCY_TTL_SECONDS"])
def test_result_and_idempotency_ttl_must_not_exceed_job_ttl(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("RESULT_TTL_SECONDS", "IDEMPOTENCY_TTL_SECONDS", "JOB_TTL_SECONDS"):
        monkeypatch.setenv(other, "100")
    JobSettings()
    monkeypatch.setenv(name, "101")
    with pytest.raises(ValidationError, match="JOB_TTL_SECONDS must not be below"):
        JobSettings()


def test_settings_cannot_be_changed_once_read() -> None:
    settings = JobSettings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.max_count = 1  # type: ignore[misc]  # must not work
