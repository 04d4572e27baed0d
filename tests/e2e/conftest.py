"""What end-to-end tests share beyond the system itself."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from tests.e2e.installs import npm_project
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

# Nothing that the browser itself would like to tell its maker.
QUIET = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the Node project in tests/e2e/clients, packages installed, with the printed schema beside it."""
    project = npm_project(ROOT / "tests/e2e/clients", tmp_path_factory.mktemp("clients") / "project")
    shutil.copy(ROOT / "schema/schema.graphql", project)
    return project


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module: while it is open, no other event loop can run."""
    with chromium() as browser:
        yield browser


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's, or Playwright's."""
    machines = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=machines, args=QUIET)
        yield browser
        browser.close()
