"""The browser that the tests of pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.browser.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One per module: no other event loop can run while it is open."""
    with chromium() as browser:
        yield browser
