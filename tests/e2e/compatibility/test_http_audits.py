"""The audits of graphql-http for GraphQL over HTTP."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests import programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System
    from tests.programs import Valkey

# The first test may have to install the packages.
pytestmark = pytest.mark.timeout(240)

PASSED = {"MUST": 13, "SHOULD": 23, "MAY": 25}


def audit(clients: Path, endpoint: str) -> list[dict[str, Any]]:
    command = ["node", "audits.mjs", endpoint]
    done = subprocess.run(command, cwd=clients, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def passed(audits: list[dict[str, Any]]) -> Counter[str]:
    return Counter(audit["name"].partition(" ")[0] for audit in audits if audit["status"] == "ok")


def test_all_audits_but_those_of_get_pass_by_default(clients: Path, system: System) -> None:
    """Queries by GET, which the specification only allows, are disabled by default."""
    audits = audit(clients, system.graphql)
    failed = [audit["name"] for audit in audits if audit["status"] != "ok"]
    assert passed(audits) == PASSED | {"MAY": PASSED["MAY"] - len(failed)}
    assert [name for name in failed if "GET" not in name] == []


def test_all_audits_pass_with_queries_by_get(clients: Path, valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    with programs.api(tmp_path, valkey.url, prefix, QUERIES_BY_GET="true") as (url, _):
        audits = audit(clients, f"{url}/graphql")
    assert [result for result in audits if result["status"] != "ok"] == []
    assert passed(audits) == PASSED
