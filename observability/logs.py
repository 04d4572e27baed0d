"""Log format: plain text for a terminal, or one JSON object per line for log collectors.

JSON fields: `timestamp` (UTC), `level`, `logger`, `message`, `trace_id` and `span_id` inside a trace, `exc_info` for an
exception, and the `extra` fields of the call, such as `job_id`. Request bodies, headers and keys are never logged.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

from opentelemetry import trace
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from pythonjsonlogger.json import JsonFormatter

# Loggers of uvicorn and Celery that have their own handlers.
_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
_CELERY = ("celery.task",)


class LogSettings(BaseSettings):
    """Log settings of one process. Each field is an environment variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    log_format: Literal["text", "json"] = Field("text", description="Log format: text or one JSON object per line")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest level that is logged")


class TracedJsonFormatter(JsonFormatter):
    """Formats a record as a JSON object with the ids of the current trace and span."""

    def __init__(self) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            timestamp=True,
            rename_fields={"levelname": "level", "name": "logger"},
            # uvicorn's color_message and Celery's data only repeat the message.
            reserved_attrs=[*logging.makeLogRecord({}).__dict__, "message", "asctime", "color_message", "data"],
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Add the ids of the current span."""
        super().add_fields(log_data, record, message_dict)
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            log_data["trace_id"] = trace.format_trace_id(span.trace_id)
            log_data["span_id"] = trace.format_span_id(span.span_id)


def configure(settings: LogSettings) -> None:
    """Apply the settings to this process, after uvicorn or Celery has configured its loggers."""
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


def add_handler(handler: logging.Handler) -> None:
    """Send every record of this process to one more handler, exactly once. Call after `configure`."""
    root = logging.getLogger()
    if not root.handlers:
        # Python uses lastResort only while there is no handler at all, so keep it explicitly.
        root.addHandler(logging.lastResort or logging.NullHandler())
    for logger in _outermost_loggers():
        logger.addHandler(handler)


def remove_handler(handler: logging.Handler) -> None:
    """Undo `add_handler`."""
    for logger in _outermost_loggers():
        logger.removeHandler(handler)


def _outermost_loggers() -> list[logging.Logger]:
    """The loggers whose records propagate no further."""
    named = map(logging.getLogger, (*_UVICORN, *_CELERY))
    return [logging.getLogger(), *(logger for logger in named if not logger.propagate)]
