"""What a program could never work with is refused before it starts; an outage is not."""

from __future__ import annotations

import pytest

from tasks import store_check
from tasks.settings import JobSettings
from tests.programs import free_port

VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ALLOW_HTTP", "AWS_SKIP_SIGNATURE")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> JobSettings:
    """Settings of a bucket, and of a job store that is down."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return JobSettings(redis_url=f"redis://127.0.0.1:{free_port()}/0", results_url="s3://bucket/path")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"AWS_ENDPOINT_URL": "https://user:secret@store.example"},
        {"AWS_ENDPOINT_URL": "http://store:9000", "AWS_ALLOW_HTTP": "true"},
        {"AWS_ENDPOINT": "http://[::1]:9000", "AWS_ALLOW_HTTP": "1"},
    ],
)
def test_stores_that_may_answer_later_are_accepted(
    monkeypatch: pytest.MonkeyPatch, bucket: JobSettings, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    store_check.check_or_exit(bucket)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AWS_ENDPOINT_URL": "store:9000"}, "AWS_ENDPOINT_URL is invalid: must be an http:// or https:// URL"),
        ({"AWS_ENDPOINT_URL": "http://"}, "AWS_ENDPOINT_URL is invalid: must be an http:// or https:// URL"),
        ({"AWS_ENDPOINT": "ftp://:secret@x"}, "AWS_ENDPOINT is invalid: must be an http:// or https:// URL"),
        ({"AWS_ENDPOINT_URL": "http://store:9000"}, "AWS_ENDPOINT_URL is invalid: must begin with https://, or set"),
        (
            {"AWS_ENDPOINT_URL": "http://store:9000", "AWS_ALLOW_HTTP": "no"},
            "AWS_ENDPOINT_URL is invalid: must begin with https://, or set AWS_ALLOW_HTTP=true",
        ),
        ({"AWS_ALLOW_HTTP": "perhaps"}, "RESULTS_URL is invalid: .* cannot be used: .*perhaps"),
        ({"AWS_SKIP_SIGNATURE": "perhaps"}, "RESULTS_URL is invalid: .* cannot be used: .*perhaps"),
    ],
)
def test_bucket_that_can_never_be_used_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, bucket: JobSettings, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=f"^error: {message}") as ended:
        store_check.check_or_exit(bucket)
    assert "\n" not in str(ended.value)
    assert "secret" not in str(ended.value)
