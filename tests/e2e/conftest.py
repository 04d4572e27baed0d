"""Systems of whole processes, in place of those with the API in the process of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.authenticated import AuthenticatedSystem, with_keys
from tests.conftest import System, running_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Valkey

# The files that take longest, longest first: one that starts last would run alone.
LONG_FILES = (
    "engine/test_compose_stack",
    "test_loadtest",
    "faults/test_workers",
    "compatibility/test_schemathesis",
    "test_local",
    "telemetry/test_shutdowns",
    "processes/test_worker_telemetry",
    "telemetry/test_panels",
    "faults/test_kills",
    "simulation/test_histories",
    "live_updates/test_many_subscribers",
    "deployment/test_sentinel_failover",
    "telemetry/test_binaries",
    "faults/test_rolling_restart",
    "faults/test_refusals",
    "telemetry/test_busy_system",
    "faults/test_subscribers",
    "faults/test_controls",
    "telemetry/test_stack",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files; the others remain in their random order."""

    def rank(item: pytest.Item) -> int:
        path = str(item.path)
        return next((rank for rank, file in enumerate(LONG_FILES) if path.endswith(f"{file}.py")), len(LONG_FILES))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def system(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One per run. A test that kills a process or needs other settings starts its own."""
    with running_system(valkey, tmp_path_factory.mktemp("system")) as system:
        yield system


@pytest.fixture(scope="session")
def authenticated(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthenticatedSystem]:
    """One per run, with two API keys."""
    with running_system(valkey, tmp_path_factory.mktemp("authenticated"), AUTHENTICATION="keys") as system:
        yield with_keys(system)
