"""What the tests of pages share: the browser, and the built page with GraphiQL."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.chromium import chromium
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


# A page that is drawn in a tenth of a second takes seconds on a machine with other work.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One per module: no other event loop can run while it is open."""
    # On a busy machine, a page takes seconds for what needs milliseconds.
    expect.set_options(timeout=30_000)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def built() -> None:
    """Builds the page, unless it is up to date."""
    subprocess.run([sys.executable, "-m", "gql.explorer.build"], cwd=ROOT, check=True, timeout=600)
