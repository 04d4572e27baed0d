"""GraphQL over HTTP as others measure it: the audits of graphql-http."""

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

# The first of them may have to install the packages.
pytestmark = pytest.mark.timeout(240)

PASSED = {"MUST": 13, "SHOULD": 23, "MAY": 25}


def audit(clients: Path, endpoint: str) -> list[dict[str, Any]]:
    command = ["node", "audits.mjs", endpoint]
    done = subprocess.run(command, cwd=clients, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def passed(audits: list[dict[str, Any]]) -> Counter[str]:
    return Counter(audit["name"].partition(" ")[0] for audit in audits if audit["status"] == "ok")


def test_all_that_must_and_should_be_is(clients: Path, system: System) -> None:
    """What is only allowed, queries by GET, is off."""
    audits = audit(clients, system.graphql)
    refused = [audit["name"] for audit in audits if audit["status"] != "ok"]
    assert passed(audits) == PASSED | {"MAY": PASSED["MAY"] - len(refused)}
    assert [name for name in refused if "GET" not in name] == []


def test_all_audits_pass_where_queries_may_come_by_get(
    clients: Path, valkey: Valkey, prefix: str, tmp_path: Path
) -> None:
    with programs.api(tmp_path, valkey.url, prefix, QUERIES_BY_GET="true") as (url, _):
        audits = audit(clients, f"{url}/graphql")
    assert [found for found in audits if found["status"] != "ok"] == []
    assert passed(audits) == PASSED
