"""Telemetry of the API process: requests, by OpenTelemetry's instrumentation of FastAPI, and metrics of the job store.

Disabled unless the OTEL_* environment variables enable it.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from observability import telemetry
from tasks.api.store_metrics import StoreMetrics

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.telemetry import TelemetryConfig

    from tasks.settings import JobSettings

SERVICE = "primes-api"

# Health checks every few seconds would only add noise. Searched in the URL without its query, which a proxy's prefix
# precedes. The lookbehind excludes ids of jobs.
_PROBES = "(?<!/status)/(livez|readyz)$"

# FastAPI would measure each request again.
FASTAPI_OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


class ApiTelemetry:
    """Starts telemetry at construction, and exports the rest at stop."""

    def __init__(self, settings: JobSettings) -> None:
        self._telemetry = telemetry.start(SERVICE)
        self._store_metrics: StoreMetrics | None = None
        if self._telemetry.meter_provider is not None:
            self._store_metrics = StoreMetrics.connect(settings)
            self._store_metrics.create_instruments()

    def instrument(self, app: FastAPI) -> None:
        """Record a span and a measurement per request, by the stable semantic conventions. Call once."""
        if not self._telemetry.is_enabled:
            # Its middleware costs time even if nothing is recorded.
            return
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
        # A span for each message of a stream would add thousands to a trace.
        FastAPIInstrumentor.instrument_app(app, excluded_urls=_PROBES, exclude_spans=["receive", "send"])

    async def stop(self) -> None:
        """Export pending spans, metrics and logs."""
        # In a thread: an unreachable collector blocks until its timeout, while connections are still being closed.
        await asyncio.to_thread(self._telemetry.shutdown)
        if self._store_metrics is not None:
            self._store_metrics.close()
