"""The command-line client while its server restarts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests import programs
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey


def test_server_restart_is_survived(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    with (
        programs.worker(tmp_path, valkey.url, prefix, 1),
        programs.api(tmp_path, valkey.url, prefix) as (url, api),
    ):
        port = int(url.rpartition(":")[2])
        client = subprocess.Popen(
            [sys.executable, "-m", "gql.client", "--url", url, str(4 * 2**20), "--start", str(10**15)],
            cwd=ROOT,
            env=os.environ | {"TERM": "dumb"},
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: "POST /graphql" in api.output(), 20)
        api.kill()
        with programs.api(tmp_path, valkey.url, prefix, port=port):
            stdout, _ = client.communicate(timeout=80)
    assert client.returncode == 0
    assert stdout.startswith("4194304 primes from ")
