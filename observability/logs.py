"""Log lines: text for a terminal, as the programs themselves write it, or one JSON object each for containers.

The JSON has `timestamp` (UTC), `level`, `logger`, `message`, inside a trace `trace_id` and `span_id`, of a defect
`exc_info`, and what a line was given beside its text, such as `job_id`. Bodies, headers and keys are never logged.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

from opentelemetry import trace
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from pythonjsonlogger.json import JsonFormatter

# Those that bring handlers of their own.
_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
_CELERY = ("celery.task",)


class LogSettings(BaseSettings):
    """How this process logs. Each field is an environment variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    log_format: Literal["text", "json"] = Field("text", description="text for people, json for programs")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="What is logged at least")


class TracedJsonFormatter(JsonFormatter):
    """A line as a JSON object, with the trace in which it was written."""

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            timestamp=True,
            rename_fields={"levelname": "level", "name": "logger"},
            # Of uvicorn and Celery: the message again, coloured; and what the message says already.
            reserved_attrs=[*logging.makeLogRecord({}).__dict__, "message", "asctime", "color_message", "data"],
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """The usual ones, and the ids of the span that is current."""
        super().add_fields(log_data, record, message_dict)
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            log_data["trace_id"] = trace.format_trace_id(span.trace_id)
            log_data["span_id"] = trace.format_span_id(span.span_id)


def configure(settings: LogSettings) -> None:
    """Make this process log so, whoever has configured its loggers before."""
    root = logging.getLogger()
    for name in _UVICORN:
        logging.getLogger(name).setLevel(settings.log_level)
    if settings.log_format == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(TracedJsonFormatter())
        root.handlers = [handler]
        root.setLevel(settings.log_level)
        for name in _UVICORN:
            logging.getLogger(name).handlers = []
            logging.getLogger(name).propagate = True
    elif root.handlers:
        root.setLevel(settings.log_level)


def add(handler: logging.Handler) -> None:
    """Have all that this process logs go to one more handler, once each; to be called after `configure`."""
    root = logging.getLogger()
    if not root.handlers:
        # Python's own for a logger that has none: it would be silent from now on.
        root.addHandler(logging.lastResort or logging.NullHandler())
    for logger in _ends_of_the_way():
        logger.addHandler(handler)


def remove(handler: logging.Handler) -> None:
    """Undo `add`."""
    for logger in _ends_of_the_way():
        logger.removeHandler(handler)


def _ends_of_the_way() -> list[logging.Logger]:
    """The loggers from which no line goes further up."""
    named = map(logging.getLogger, (*_UVICORN, *_CELERY))
    return [logging.getLogger(), *(logger for logger in named if not logger.propagate)]
