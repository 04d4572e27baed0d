"""Answers like Grafana's health check, if everything that docker-compose.yml mounts and sets is there and readable.

Runs in the container: only with the standard library.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

PROVISIONING = Path("/etc/grafana/provisioning")
DASHBOARDS = Path("/var/lib/grafana/dashboards")


def problems() -> list[str]:
    """What is missing or unreadable."""
    found = []
    for folder, pattern in (
        (PROVISIONING / "datasources", "*.y*ml"),
        (PROVISIONING / "dashboards", "*.y*ml"),
        (DASHBOARDS, "*.json"),
    ):
        try:
            files = list(folder.glob(pattern))
            contents = [json.loads(file.read_text()) if file.suffix == ".json" else file.read_text() for file in files]
        except (OSError, ValueError) as error:
            found.append(str(error))
            continue
        if not contents or not all(contents):
            found.append(f"{folder} has no {pattern}, or an empty one")
    home = Path(os.environ["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    secret = Path(os.environ["GF_SECURITY_ADMIN_PASSWORD__FILE"])
    found += [f"{path} is not readable" for path in (home, secret) if not os.access(path, os.R_OK)]
    # The volume of Grafana's data.
    if not os.access("/var/lib/grafana", os.W_OK):
        found.append("/var/lib/grafana is not writable")
    return found


class Health(BaseHTTPRequestHandler):
    """/api/health, with the problems."""

    def do_GET(self) -> None:
        found = problems()
        self.send_response(503 if found else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"problems": found}).encode())
        # Into the log of the container.
        sys.stderr.writelines(f"{problem}\n" for problem in found)


if __name__ == "__main__":
    # The first process of a container ignores signals without a handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    HTTPServer(("0.0.0.0", 3000), Health).serve_forever()  # noqa: S104 - the address inside its container
