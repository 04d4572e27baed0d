"""nginx, as a proxy in front of an API."""

from __future__ import annotations

import shutil
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.programs import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# It is in no directory of an unprivileged user's PATH.
_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"

_CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/responses;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $for_upstream {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $for_upstream;
    {server}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, server: str) -> Iterator[str]:
    """Run nginx with these directives for its only server, such as locations. Yields its URL without a slash."""
    program = shutil.which("nginx", path=_PATH)
    if program is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port, server=server), encoding="utf-8")

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with running([program, "-c", str(configuration), "-p", str(folder)], folder, listens):
        yield f"http://127.0.0.1:{port}"
