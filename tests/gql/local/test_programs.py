"""The system counts as ready with and without authentication."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gql.local import programs
from gql.local.settings import LocalSettings

if TYPE_CHECKING:
    from pathlib import Path

    from gql.local.programs import Program
    from tests.authenticated import AuthenticatedSystem
    from tests.conftest import System


def api_of(system: System, folder: Path) -> Program:
    """The API of a local run whose worker has another name than the system's."""
    port = int(system.url.rpartition(":")[2])
    settings = LocalSettings(port=port, data_dir=folder, redis_url=system.valkey.url)
    *_, api = programs.in_start_order(settings, os.environ)
    return api


def test_a_worker_of_another_run_does_not_count(system: System, tmp_path: Path) -> None:
    assert api_of(system, tmp_path).missing() == "the worker has not reported"


def test_any_worker_counts_if_the_api_requires_keys(authenticated: AuthenticatedSystem, tmp_path: Path) -> None:
    assert api_of(authenticated.system, tmp_path).missing() is None


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:8001"), ("::", "http://[::1]:8001"), ("localhost", "http://localhost:8001")],  # noqa: S104
)
def test_the_printed_url_is_one_that_a_browser_can_open(host: str, url: str) -> None:
    assert programs.url(LocalSettings(host=host, port=8001)) == url
