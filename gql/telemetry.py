"""Telemetry of the API process: FastAPI's own request instrumentation, and metrics of the job store.

Disabled unless the OTEL_* environment variables enable it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from observability import telemetry
from tasks.api.store_metrics import StoreMetrics

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

    from tasks.settings import JobSettings

SERVICE = "primes-api"

# Health checks every few seconds would only add noise.
_PROBES = frozenset({"/livez", "/readyz"})

# For FastAPI: one span and one measurement per request, by the stable semantic conventions.
REQUESTS: TelemetryConfig = {
    "exclude": lambda scope: scope["path"] in _PROBES,
    # Spans of GraphQL and the job store describe the parts of a request better.
    "operation_spans": False,
    "auto_configure": False,
}


class ApiTelemetry:
    """Starts telemetry at construction, and exports the rest at stop."""

    def __init__(self, settings: JobSettings) -> None:
        self._telemetry = telemetry.start(SERVICE)
        self._store_metrics: StoreMetrics | None = None
        if self._telemetry.meter_provider is not None:
            self._store_metrics = StoreMetrics.connect(settings)
            self._store_metrics.create_instruments()

    async def stop(self) -> None:
        """Export pending spans, metrics and logs."""
        # In a thread: an unreachable collector blocks until its timeout, while connections are still being closed.
        await asyncio.to_thread(self._telemetry.shutdown)
        if self._store_metrics is not None:
            self._store_metrics.close()
