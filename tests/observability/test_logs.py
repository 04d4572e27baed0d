"""Log lines as JSON, and the settings of logs."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from observability.logs import LogSettings, TracedJsonFormatter


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
