"""The API inside the process of the tests, for tests that need other settings but no separate process.

It listens on a socket, because httpx.ASGITransport returns a response only when it is complete and has no WebSockets.
Tests of signals, exit codes, a process's output and its telemetry use `tests.programs.api`.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from gql.__main__ import configuration
from gql.server.settings import ServerSettings
from gql.settings import ApiSettings
from tasks.settings import JobSettings
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def api(redis_url: str, prefix: str, **environment: str) -> Iterator[str]:
    """The API, ready when it responds; settings have the names of their variables. Yields its URL without a slash."""
    # Creates an application when it is imported, which needs the RESULTS_URL of this run.
    from gql.app import create_app  # noqa: PLC0415

    options: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
    classes = (ApiSettings, JobSettings, ServerSettings)
    unknown = options.keys() - {name for settings in classes for name in settings.model_fields}
    assert not unknown, f"not a setting of the API: {unknown}"
    settings = ApiSettings(**options)
    app = create_app(settings, JobSettings(**options, redis_url=redis_url, key_prefix=prefix))
    # Not the server of `python -m gql`, which handles signals.
    server = uvicorn.Server(configuration(ServerSettings(**options), app, log_config=None))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            assert server.started, "the API did not start, see the log"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(15)
            assert not thread.is_alive(), "the API did not stop"
