"""What the tests of pages share: the browser, the built pages, and an API without a worker."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tasks.settings import JobSettings
from tasks.worker.job_recorder import JobRecorder
from tests import programs
from tests.e2e.browser.chromium import chromium
from tests.e2e.browser.console_jobs import Jobs
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.programs import Valkey


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


@pytest.fixture(scope="module")
def jobs(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """The API without a worker."""
    folder = tmp_path_factory.mktemp("jobs")
    prefix = f"console-{folder.name}:"
    with programs.api(folder, valkey.url, prefix) as (url, _):
        yield Jobs(url, JobRecorder.connect(JobSettings(redis_url=valkey.url, key_prefix=prefix)))
