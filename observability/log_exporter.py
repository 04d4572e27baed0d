"""What is logged, sent by OTLP too, with the trace in which it was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from observability import logs

if TYPE_CHECKING:
    import logging

    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.resources import Resource


class LogSender:
    """Sends from now on until its shutdown; lines are written as ever beside that."""

    def __init__(self, resource: Resource, exporter: LogRecordExporter) -> None:
        self._provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        self._handler = LoggingHandler(logger_provider=self._provider)
        self._handler.addFilter(_is_about_something_else)
        logs.add(self._handler)

    def shutdown(self) -> None:
        """Send what has gathered, and stop."""
        logs.remove(self._handler)
        self._provider.shutdown()


def _is_about_something_else(record: logging.LogRecord) -> bool:
    """Those who send have something to say of each failure: it would be what fails next."""
    return not record.name.startswith("opentelemetry.")
