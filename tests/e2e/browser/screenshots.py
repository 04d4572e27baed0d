"""Takes the screenshots in docs/images from a running system: `python -m tests.e2e.browser.screenshots`.

Starts `make run`, the telemetry programs and Locust on free ports. Tests nothing.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from playwright.sync_api import expect

from tests import programs
from tests.e2e.browser.chromium import chromium
from tests.e2e.browser.explorer_page import SET_TEXT
from tests.e2e.telemetry.stack import telemetry_stack
from tests.e2e.test_local import local_run, url
from tests.programs import ROOT, free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

IMAGES = ROOT / "docs/images"
SIZE = (1100, 640)

# Enough for a few points in the graphs: the programs export every second here.
_LOAD_SECONDS = 50
_QUERIES = ("sum(rate(job_duration_seconds_count[30s]))", "sum(loadtest_users)")


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        telemetry = stack.enter_context(telemetry_stack(folder / "telemetry"))
        export = {"OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.otlp_endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
        port = free_port()
        stack.enter_context(local_run(folder, port, **export, METRICS_URL=telemetry.metrics_url))
        locust = stack.enter_context(locust_page(folder, url(port), export))
        browser = stack.enter_context(chromium())
        console(browser, url(port))
        page = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}).new_page()
        page.set_default_timeout(20_000)
        explorer(page, url(port))
        rest_documentation(page, url(port))
        load_test(page, locust)
        metrics(page, telemetry.metrics_url)


@contextmanager
def locust_page(folder: Path, address: str, environment: dict[str, str]) -> Iterator[str]:
    """The address of Locust's page, before any user is started."""
    port = free_port()
    command = [sys.executable, "-m", "loadtest", "--web", "--web-port", str(port), "--host", address]

    def is_ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/", timeout=2).is_success
        except httpx.TransportError:
            return False

    with programs.running(command, folder / "locust", is_ready, **environment):
        yield f"http://127.0.0.1:{port}"


def console(browser: Browser, address: str) -> None:
    """A finished job in the dark, then the list in the light while jobs run."""
    finished = submitted(address, 5_000_000)
    for count in (1_000, 250_000, 10_000_000):
        submitted(address, count)
    dark = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="dark").new_page()
    dark.goto(f"{address}/?job={finished}")
    expect(dark.get_by_text("Succeeded").first).to_be_visible(timeout=60_000)
    save(dark, "console-job", 760)
    light = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light").new_page()
    light.goto(address)
    expect(light.get_by_role("row").get_by_text("Succeeded").nth(3)).to_be_visible(timeout=60_000)
    for count in (30_000_000, 40_000_000, 60_000_000):
        submitted(address, count)
    expect(light.get_by_role("row").get_by_text("Running")).to_have_count(2, timeout=60_000)
    expect(light.get_by_text(re.compile("1?[1-9]%")).first).to_be_visible(timeout=60_000)
    save(light, "console")


def submitted(address: str, count: int) -> str:
    response = httpx.post(f"{address}/generate", params={"n": count}, timeout=20).raise_for_status()
    job_id: str = response.json()["request_id"]
    return job_id


def explorer(page: Page, address: str) -> None:
    page.goto(f"{address}/graphql")
    page.get_by_role("tab", name="Submit").click()
    expect(page.locator(".graphiql-query-editor")).to_contain_text("generatePrimes")
    page.evaluate(SET_TEXT, ["variables", json.dumps({"input": {"count": 10}, "waitMs": 5000}, indent=2)])
    page.get_by_role("button", name="Execute query").click()
    expect(page.locator(".result-window")).to_contain_text("SUCCEEDED")
    save(page, "graphiql")


def rest_documentation(page: Page, address: str) -> None:
    page.goto(f"{address}/docs")
    page.get_by_text("/generate").first.wait_for()
    save(page, "docs")


def load_test(page: Page, address: str) -> None:
    """Starts the light scenario, and shows its statistics after enough requests."""
    page.goto(address)
    page.get_by_role("button", name="Start").wait_for()
    page.get_by_role("combobox", name="Shape Class").select_option("Light")
    save(page, "locust-start", 900)
    form = {
        "user_count": "10",
        "spawn_rate": "2",
        "shape_class": "Light",
        "host": page.locator("[name=host]").input_value(),
    }
    httpx.post(f"{address}/swarm", data=form).raise_for_status()

    def requests() -> int:
        return int(httpx.get(f"{address}/stats/requests").json()["stats"][-1]["num_requests"])

    wait_until(lambda: requests() > 10 * _LOAD_SECONDS, 2 * _LOAD_SECONDS)
    page.reload()
    page.get_by_text("WS jobUpdates").first.wait_for()
    save(page, "locust", 1000)


def metrics(page: Page, address: str) -> None:
    graphs = "&".join(
        f"g{place}.expr={httpx.QueryParams({'q': query})}".replace("q=", "", 1) for place, query in enumerate(_QUERIES)
    )
    page.goto(f"{address}/vmui/?#/?{graphs}&g0.range_input=2m&g0.step_input=2s&g0.relative_time=none")
    page.locator("canvas").first.wait_for()
    page.wait_for_load_state("networkidle")
    save(page, "vmui", 760)


def save(page: Page, name: str, height: int = SIZE[1]) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": SIZE[0], "height": height})
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
