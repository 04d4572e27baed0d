"""The API behind nginx under a path prefix, in a browser and with the project's own clients."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests import programs
from tests.e2e.browser.explorer_page import ExplorerPage
from tests.e2e.nginx import nginx
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.conftest import System

LOCATIONS = {
    "removes the prefix": "location /primes/ {{ proxy_pass {api}/; }}",
    "leaves the prefix": "location /primes {{ proxy_pass {api}; }}",
}


@pytest.fixture(params=LOCATIONS)
def origin(system: System, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of nginx. Everything outside of the prefix is missing there."""
    options: dict[str, Any] = {"RESULTS_URL": system.results_url, "ROOT_PATH": "/primes"}
    with (
        programs.api(tmp_path, system.valkey.url, system.prefix, **options) as (api, _),
        nginx(tmp_path / "nginx", LOCATIONS[request.param].format(api=api)) as address,
    ):
        yield address


def test_pages_work_behind_nginx(browser: Browser, origin: str, built: None) -> None:  # noqa: ARG001 - needed for its effect
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(30_000)
    page = context.new_page()
    missing: list[str] = []
    page.on("response", lambda answer: missing.append(answer.url) if answer.status == 404 else None)
    # nginx redirects to /primes/, or the API answers itself.
    with page.expect_websocket() as socket:
        page.goto(f"{origin}/primes")
    assert socket.value.url.partition("/primes")[2] == "/graphql"
    page.get_by_role("button", name="Generate").click()
    job = page.get_by_role("row").filter(has_text="Succeeded").first.get_by_role("link", name="Job")
    expect(job).to_be_visible()
    job.click()
    expect(page).to_have_url(re.compile(r"/primes/?\?job="))
    page.reload()
    expect(page.get_by_text("Succeeded").first).to_be_visible()
    page.get_by_role("link", name="REST").click()
    operation = page.locator("#operations-primes-generate_generate_post")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("request_id")
    page.goto(f"{origin}/primes/")
    page.get_by_role("link", name="GraphiQL").click()
    explorer = ExplorerPage(page, origin)
    expect(page.locator(".graphiql-query-editor .view-line").first).to_be_visible(timeout=30_000)
    explorer.open_tab("Submit")
    explorer.run()
    explorer.expect_result("GeneratePrimesAccepted")
    explorer.open_tab("Follow")
    explorer.run()
    explorer.expect_result('"isFinal": true', "SUCCEEDED")
    assert [socket.url.partition("/primes")[2] for socket in explorer.sockets] == ["/graphql"]
    context.close()
    assert missing == []


def test_command_line_client_works_behind_nginx(origin: str, tmp_path: Path) -> None:
    output = tmp_path / "primes.csv"
    command = [sys.executable, "-m", "gql.client", "--url", f"{origin}/primes", "10", "--output", str(output)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    assert output.read_text().splitlines()[-1] == "29"
