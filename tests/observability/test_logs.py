"""Log lines as text and JSON, and their export."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from observability.logs import LogSettings, TracedJsonFormatter
from tests import programs
from tests.clients import data, finished_job
from tests.conftest import System
from tests.otlp import receiver
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey


@pytest.fixture
def log() -> logging.Logger:
    return logging.Logger("a.logger")  # noqa: LOG001 - not registered, so that other tests are not affected


def line(log: logging.Logger, *arguments: Any, **options: Any) -> dict[str, Any]:
    """The JSON object written for one warning."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(TracedJsonFormatter())
    log.handlers = [handler]
    log.warning(*arguments, **options)
    assert written.getvalue().count("\n") == 1
    found: dict[str, Any] = json.loads(written.getvalue())
    return found


def test_a_line_has_timestamp_level_logger_and_message(log: logging.Logger) -> None:
    found = line(log, "job %s\nis %d", "a", 1, extra={"job_id": "a"})
    assert found.pop("timestamp").endswith("+00:00")
    assert found == {"level": "WARNING", "logger": "a.logger", "message": "job a\nis 1", "job_id": "a"}


def test_a_line_in_a_span_has_trace_and_span_id(log: logging.Logger) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    with provider.get_tracer("t").start_as_current_span("s") as span:
        found = line(log, "text")
    assert int(found["trace_id"], 16) == span.get_span_context().trace_id
    assert int(found["span_id"], 16) == span.get_span_context().span_id


def test_an_exception_and_its_traceback_are_one_line(log: logging.Logger) -> None:
    try:
        raise ValueError("boom")  # noqa: TRY301 - to be caught here
    except ValueError:
        found = line(log, "text", exc_info=True)
    assert "ValueError: boom" in found["exc_info"]


@pytest.mark.parametrize(("variable", "value"), [("LOG_FORMAT", "xml"), ("LOG_LEVEL", "loud")])
def test_invalid_settings_are_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=variable.lower()):
        LogSettings()


def test_api_and_worker_write_only_json(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"LOG_FORMAT": "json", "LOG_LEVEL": "INFO"}
    with (
        programs.worker(tmp_path, valkey.url, prefix, 1, **options) as worker,
        programs.api(tmp_path, valkey.url, prefix, **options) as (url, api),
    ):
        job = finished_job(System(url, valkey, prefix, api, worker), 10)
        wait_until(lambda: job in worker.output())
    lines = [json.loads(text) for text in api.output().splitlines()]
    assert any("POST /graphql" in found["message"] for found in lines)
    # Before logging is configured, Celery warns about running as root and prints its banner.
    lines = [json.loads(text) for text in worker.output().splitlines() if text.startswith("{")]
    assert [found["level"] for found in lines if found.get("job_id") == job] == ["INFO"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_log_records_are_exported_with_their_trace_id_when_enabled(
    valkey: Valkey, prefix: str, tmp_path: Path, log_format: str
) -> None:
    """They are also written as usual, and the final flush exports the last ones."""
    with receiver() as received:
        options: dict[str, Any] = {"OTEL_LOGS_EXPORTER": "otlp", "LOG_FORMAT": log_format, "LOG_LEVEL": "INFO"}
        options |= {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint}
        with (
            programs.worker(tmp_path, valkey.url, prefix, 1, **options) as worker,
            programs.api(tmp_path, valkey.url, prefix, **options) as (url, api),
        ):
            running = System(url, valkey, prefix, api, worker)
            job = finished_job(running, 10)
            query = "query ($id: ID!) { job(id: $id) { ... on Job { traceId } } }"
            trace_id = data(running, query, id=job)["job"]["traceId"]
    [finished] = [line for line in received.logs if line.attributes.get("job_id") == job]
    assert (finished.service, finished.severity, finished.trace_id) == ("primes-worker", "INFO", trace_id)
    assert finished.text in worker.output()
    requests = [line.text for line in received.logs if "POST /graphql" in line.text]
    assert 0 < len(requests) == api.output().count("POST /graphql")


def test_lines_below_the_level_are_not_written(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    with (
        programs.worker(tmp_path, valkey.url, prefix, 1, LOG_LEVEL="WARNING") as worker,
        programs.api(tmp_path, valkey.url, prefix, LOG_LEVEL="WARNING") as (url, api),
    ):
        job = finished_job(System(url, valkey, prefix, api, worker), 10)
    assert job not in worker.output()
    assert "POST /graphql" not in api.output()
