"""Systems of whole processes, in place of those with the API in the process of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.authenticated import AuthenticatedSystem, with_keys
from tests.conftest import System, running_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Valkey


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
