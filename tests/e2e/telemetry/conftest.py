"""One telemetry stack, shared by all tests that only send to it and query it.

The first test builds the programs unless they are cached, so every test has a timeout that allows for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.telemetry.stack import Stack, telemetry_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUILDING_SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_BUILDING_SECONDS))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Shared: each test uses its own service name. A test that stops a part of the stack starts its own."""
    with telemetry_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
