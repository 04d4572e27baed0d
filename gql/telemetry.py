"""The API's telemetry: requests are measured by FastAPI itself, the job store by the figures it keeps.

Nothing of it runs while the OTEL_* variables ask for none.
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

# Asked every few seconds by those who only want to know whether there is an answer.
_PROBES = frozenset({"/livez", "/readyz"})

# For the application's own instrumentation: one span and one measurement a request, by the released conventions.
REQUESTS: TelemetryConfig = {
    "exclude": lambda scope: scope["path"] in _PROBES,
    # Of the parts of a request, GraphQL's and the job store's tell more.
    "operation_spans": False,
    "auto_configure": False,
}


class ApiTelemetry:
    """What this process tells of itself, from its start to its end."""

    def __init__(self, settings: JobSettings) -> None:
        self._telemetry = telemetry.start(SERVICE)
        self._gauges: StoreMetrics | None = None
        if self._telemetry.meter_provider is not None:
            self._gauges = StoreMetrics.connect(settings)
            self._gauges.create_instruments()

    async def stop(self) -> None:
        """Send what has gathered."""
        # Not on the loop: a collector that does not answer takes its time, and connections are still being closed.
        await asyncio.to_thread(self._telemetry.shutdown)
        if self._gauges is not None:
            self._gauges.close()
