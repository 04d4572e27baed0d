"""Clients that offer HTTP/2 in an Upgrade header: each request is answered by HTTP/1.1, with its whole body."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System

ANSWER = '{"data":{"limits":{"maxCount":100000000}}}'


@pytest.mark.skipif(shutil.which("java") is None, reason="java is not installed")
def test_java_http_client_sends_requests_and_opens_a_websocket(system: System) -> None:
    source = ROOT / "tests/e2e/clients/java/Client.java"
    done = subprocess.run(["java", source, system.graphql], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.splitlines() == [ANSWER, ANSWER, '{"type":"connection_ack"}'], done.stderr


@pytest.mark.parametrize("spaces", [0, 200_000])
@pytest.mark.parametrize("framing", [[], ["-H", "Transfer-Encoding: chunked"]], ids=["length", "chunks"])
def test_curl_with_http2(system: System, tmp_path: Path, spaces: int, framing: list[str]) -> None:
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    if "HTTP2" not in version:
        pytest.skip("this curl has no HTTP/2")
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"query": "{ limits { maxCount } }"}) + " " * spaces)
    command = ["curl", "-s", "--http2", system.graphql, "-H", "Content-Type: application/json", *framing]
    done = subprocess.run([*command, "--data-binary", f"@{body}"], capture_output=True, text=True, check=True)
    assert done.stdout == ANSWER
