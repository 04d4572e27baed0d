"""Starts the API: `python -m gql`. The one place that configures uvicorn, from ServerSettings.

`gql.app:app` runs in other servers too. They need a protocol with a timeout for slow requests, a limit for WebSocket
messages and a shutdown that completes streams, all of which are set up here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from uvicorn import Config
from uvicorn.config import LOGGING_CONFIG

from gql.server import binding
from gql.server.protocols import HttpProtocol
from gql.server.settings import ServerSettings
from gql.server.shutdown import serve
from gql.settings import ApiSettings
from observability import logs
from tasks import store_check
from tasks.settings import JobSettings
from tasks.settings.errors import read_or_exit

if TYPE_CHECKING:
    from fastapi import FastAPI

# Twice the largest message that the API parses.
_WEBSOCKET_MESSAGE_BYTES = 65_536

# A new process imports the application: 3 s of processor time, and 11 s were seen on a busy machine. A process that
# does not respond for this long is replaced.
_UNRESPONSIVE_SECONDS = 60


# uvicorn's own formatter of the access log copies each record to add colors, in a sixteenth of a small request's time.
_ACCESS_FORMATTER = {"format": "%(levelname)s:     %(message)s"}
_LOGGING = LOGGING_CONFIG | {"formatters": LOGGING_CONFIG["formatters"] | {"access": _ACCESS_FORMATTER}}


def main() -> None:
    """Run the API until SIGINT or SIGTERM."""
    authentication, settings = read_or_exit(ApiSettings).authentication, read_or_exit(ServerSettings)
    log_settings = read_or_exit(logs.LogSettings)
    # Each server process reads them too. Checked before any of them starts, because uvicorn would start it again.
    store_check.check_or_exit(read_or_exit(JobSettings))
    if not authentication and not binding.is_loopback(settings.host):
        sys.exit(f"error: {binding.open_access_error(settings.host)}")
    config = configuration(settings)
    # After uvicorn has configured its loggers. Each server process does the same when it imports the application.
    logs.configure(log_settings)
    serve(config)


def configuration(
    settings: ServerSettings,
    app: FastAPI | str = "gql.app:app",
    log_config: dict[str, Any] | None = _LOGGING,
) -> Config:
    """How uvicorn runs the application. Each server process imports it, so that its telemetry starts there."""
    return Config(
        app,
        log_config=log_config,
        host=settings.host,
        port=settings.port,
        workers=settings.web_workers,
        http=HttpProtocol,
        ws_max_size=_WEBSOCKET_MESSAGE_BYTES,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.request_drain_seconds,
        timeout_worker_healthcheck=_UNRESPONSIVE_SECONDS,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        root_path=settings.root_path,
        server_header=False,
    )


if __name__ == "__main__":
    main()
