"""Settings are read from the environment, and contradictory ones are refused at startup."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.settings import JobSettings
from tasks.settings.errors import InvalidSettingError, read

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


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("password").write_text("a/b@c:d\n", encoding="utf-8")
    values = (
        "redis://store:1234/5",
        "password",
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
        ("RESULTS_URL", "memory://"),
        ("RESULTS_URL", "relative/folder"),
        ("RESULTS_URL", "file:/var/lib"),
        ("RESULTS_URL", "file://relative/folder"),
        ("RESULTS_URL", "file:///"),
        ("RESULTS_URL", "file:///var/../etc"),
        ("RESULTS_URL", "file:///a b"),
        ("RESULTS_URL", "file:///a\nb"),
        ("RESULTS_URL", "file:///a%zz"),
        ("RESULTS_URL", "s3://"),
        ("RESULTS_URL", "s3:///path"),
        ("RESULTS_URL", "s3://key:secret@bucket/path"),
        ("RESULTS_URL", "s3://bucket/path?region=x"),
        ("RESULTS_URL", "s3://bucket/path#x"),
        ("KEY_PREFIX", "{primes}:"),
        ("KEY_PREFIX", "pr*mes:"),
        ("KEY_PREFIX", "pr?mes:"),
        ("KEY_PREFIX", "pr[i]mes:"),
        ("KEY_PREFIX", "primes\\"),
        ("KEY_PREFIX", "my primes:"),
        ("KEY_PREFIX", "primes\n"),
        ("KEY_PREFIX", "primes\n~*"),
        ("KEY_PREFIX", "@primes"),
        ("KEY_PREFIX", "primés:"),
        ("KEY_PREFIX", "%s"),
        ("KEY_PREFIX", "p" * 101),
        ("REDIS_URL", "redis://store/0?protocol=3"),
        ("QUEUE_CAPACITY", "0"),
        ("JOB_TTL_SECONDS", "0"),
        ("RESULT_TTL_SECONDS", "-1"),
        ("IDEMPOTENCY_TTL_SECONDS", "1.5"),
        ("LEASE_SECONDS", "0.1"),
        ("LEASE_SECONDS", "nan"),
        ("LEASE_SECONDS", "inf"),
        ("LEASE_SECONDS", "-5"),
        ("QUEUE_CAPACITY", "1" + "0" * 30),
        ("QUEUE_CAPACITY", "9" * 5_000),
        ("QUEUE_CAPACITY", "nan"),
        ("LEASE_SECONDS", "601"),
        ("MAX_ATTEMPTS", "0"),
        ("MAX_ATTEMPTS", "many"),
    ],
)
def test_setting_out_of_bounds_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingError, match=rf"^{name} is [^\n]{{1,90}}: [^\n]+\Z"):
        read(JobSettings)


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


def test_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
    assert JobSettings() == JobSettings.model_construct()


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://my.bucket-1/path", "gs://bucket/path", "az://container/path", "file:///a%20b"]
)
def test_url_of_a_result_store_is_accepted(url: str) -> None:
    assert JobSettings(results_url=url).result_store_url == url


def test_password_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("a/b@c:d\n", encoding="utf-8")
    settings = JobSettings(redis_url="redis://api@host:7000/3", redis_password_file=path)
    assert settings.store == replace(settings.redis_url, password="a/b@c:d")  # noqa: S106 - an example
    assert "a/b" not in f"{settings!r} {settings.store!r} {settings.store}"
    assert JobSettings(redis_url="redis://host/0").store.password is None


@pytest.mark.parametrize(
    ("content", "url", "message"),
    [
        (None, "redis://host", "REDIS_PASSWORD_FILE is .*password: No such file or directory"),
        (b"", "redis://host", "REDIS_PASSWORD_FILE is .*: must contain one line, the password"),
        (b"one\ntwo\n", "redis://host", "REDIS_PASSWORD_FILE is .*: must contain one line, the password"),
        (b"\xff\xfe", "redis://host", "REDIS_PASSWORD_FILE is .*: must contain one line, the password"),
        (b"file", "redis://:secret@host", "REDIS_URL has a password, and REDIS_PASSWORD_FILE is set: remove one"),
    ],
)
def test_unusable_password_file_is_refused(tmp_path: Path, content: bytes | None, url: str, message: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidSettingError, match=f"^{message}[^\n]*$") as error:
        read(JobSettings, redis_url=url, redis_password_file=path)
    assert "secret" not in str(error.value)
