"""Export of log records by OTLP, with the ids of the trace in which they were logged."""

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


class LogExporter:
    """Exports log records until its shutdown, in addition to the handlers that write them."""

    def __init__(self, resource: Resource, exporter: LogRecordExporter) -> None:
        self._provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        self._handler = LoggingHandler(logger_provider=self._provider)
        self._handler.addFilter(_is_not_from_telemetry)
        logs.add_handler(self._handler)

    def shutdown(self) -> None:
        """Export pending records and stop."""
        logs.remove_handler(self._handler)
        self._provider.shutdown()


def _is_not_from_telemetry(record: logging.LogRecord) -> bool:
    """Drops records of OpenTelemetry itself: exporting the report of a failed export would fail again."""
    return not record.name.startswith("opentelemetry.")
