"""The API's telemetry: requests are measured by FastAPI's instrumentation, the job store by the figures it keeps.

Nothing of it runs while the OTEL_* variables ask for none.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from observability import telemetry
from tasks.gauges import StoreGauges

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tasks.settings import JobSettings

SERVICE = "primes-api"

# Asked every few seconds by those who only want to know whether there is an answer.
_PROBES = "livez,readyz"


class ApiTelemetry:
    """What this process tells of itself, from its start to its end."""

    def __init__(self, settings: JobSettings) -> None:
        # Metrics of HTTP by the released conventions: read by the instrumentation when it begins.
        os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
        self._telemetry = telemetry.start(SERVICE)
        self._gauges: StoreGauges | None = None
        if self._telemetry.meter_provider is not None:
            self._gauges = StoreGauges.connect(settings)
            self._gauges.observe()

    def watch(self, app: FastAPI) -> None:
        """Measure and trace the requests to an application whose doors are all mounted."""
        if self._telemetry.is_on:
            # Spans of single ASGI messages would be three for each request.
            FastAPIInstrumentor.instrument_app(app, excluded_urls=_PROBES, exclude_spans=["receive", "send"])

    async def stop(self) -> None:
        """Send what has gathered."""
        # Not on the loop: a collector that does not answer takes its time, and connections are still being closed.
        await asyncio.to_thread(self._telemetry.shutdown)
        if self._gauges is not None:
            self._gauges.close()
