"""The pictures in docs/images: `python -m tests.e2e.screenshots` takes them from a running system.

`make run` with the telemetry programs behind it, and Locust with people in the system, each on a free port; a browser
looks at their pages as a person does. To find what is broken is the tests' work: this only shows.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from playwright.sync_api import expect

from tests import programs
from tests.e2e.conftest import chromium
from tests.e2e.telemetry.stack import telemetry_stack
from tests.e2e.test_explorer import SET_TEXT
from tests.e2e.test_local import local_run, url
from tests.programs import ROOT, free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

IMAGES = ROOT / "docs/images"
SIZE = (1100, 640)

# Until graphs have a few points: the programs send each second here.
_PEOPLE_SECONDS = 50
_QUERIES = ("sum(rate(job_duration_seconds_count[30s]))", "sum(loadtest_users)")


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        telemetry = stack.enter_context(telemetry_stack(folder / "telemetry"))
        received = {"OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.otlp_endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
        port = free_port()
        stack.enter_context(local_run(folder, port, **received, METRICS_URL=telemetry.metrics_url))
        locust = stack.enter_context(people(folder, url(port), received))
        browser = stack.enter_context(chromium())
        page = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}).new_page()
        page.set_default_timeout(20_000)
        front_page(page, url(port))
        explorer(page, url(port))
        manual(page, url(port))
        load_test(page, locust)
        metrics(page, telemetry.metrics_url)


@contextmanager
def people(folder: Path, address: str, environment: dict[str, str]) -> Iterator[str]:
    """Locust's page, nobody in the system yet."""
    port = free_port()
    command = [sys.executable, "-m", "loadtest", "--web", "--web-port", str(port), "--host", address]

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/", timeout=2).is_success
        except httpx.TransportError:
            return False

    with programs.running(command, folder / "locust", answers, **environment):
        yield f"http://127.0.0.1:{port}"


def front_page(page: Page, address: str) -> None:
    page.goto(address)
    keep(page, "front-page")


def explorer(page: Page, address: str) -> None:
    page.goto(f"{address}/graphql")
    page.get_by_role("tab", name="Submit").click()
    expect(page.locator(".graphiql-query-editor")).to_contain_text("generatePrimes")
    page.evaluate(SET_TEXT, ["variables", json.dumps({"input": {"count": 10}, "waitMs": 5000}, indent=2)])
    page.get_by_role("button", name="Execute query").click()
    expect(page.locator(".result-window")).to_contain_text("SUCCEEDED")
    keep(page, "graphiql")


def manual(page: Page, address: str) -> None:
    page.goto(f"{address}/docs")
    page.get_by_text("/generate").first.wait_for()
    keep(page, "docs")


def load_test(page: Page, address: str) -> None:
    """A person chooses the light scenario, starts it, and looks at the table when there is something in it."""
    page.goto(address)
    page.get_by_role("button", name="Start").wait_for()
    page.get_by_role("combobox", name="Shape Class").select_option("Light")
    keep(page, "locust-start", 900)
    form = {
        "user_count": "10",
        "spawn_rate": "2",
        "shape_class": "Light",
        "host": page.locator("[name=host]").input_value(),
    }
    httpx.post(f"{address}/swarm", data=form).raise_for_status()

    def requests() -> int:
        return int(httpx.get(f"{address}/stats/requests").json()["stats"][-1]["num_requests"])

    wait_until(lambda: requests() > 10 * _PEOPLE_SECONDS, 2 * _PEOPLE_SECONDS)
    page.reload()
    page.get_by_text("WS jobUpdates").first.wait_for()
    keep(page, "locust", 1000)


def metrics(page: Page, address: str) -> None:
    asked = "&".join(
        f"g{place}.expr={httpx.QueryParams({'q': query})}".replace("q=", "", 1) for place, query in enumerate(_QUERIES)
    )
    page.goto(f"{address}/vmui/?#/?{asked}&g0.range_input=2m&g0.step_input=2s&g0.relative_time=none")
    page.locator("canvas").first.wait_for()
    page.wait_for_load_state("networkidle")
    keep(page, "vmui", 760)


def keep(page: Page, name: str, height: int = SIZE[1]) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": SIZE[0], "height": height})
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
