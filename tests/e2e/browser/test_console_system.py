"""The console's view of the system, accessibility of all views, and frames while many jobs progress."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tasks.settings import JobSettings
from tasks.worker.job_recorder import JobRecorder, SegmentResult
from tests import programs
from tests.clients import finished_job
from tests.e2e.browser.console_jobs import is_operation
from tests.e2e.browser.console_page import ConsolePage
from tests.e2e.compatibility.installs import npm_packages
from tests.programs import ROOT, paused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

    from tests.conftest import System
    from tests.programs import Valkey

    Open = Callable[..., ConsolePage]

# Keeps what the page sends over its WebSocket.
RECORD_SENT = """
window.sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) { sent.push(JSON.parse(text)); send.call(this, text); };
"""
HIDE = """(isHidden) => {
  Object.defineProperty(document, 'hidden', {value: isHidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
NO_JOBS = {
    "totalCount": 0,
    "edges": [],
    "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
}
TABLE = "[...document.querySelectorAll('table, thead, tbody, tr, th, td')]"
ROLES = f"{TABLE}.map((element) => element.getAttribute('role'))"
ROLES_LEFT_TO_DISPLAY = f"""{TABLE}
  .filter((element) => !/^(table|none)/.test(getComputedStyle(element).display) && !element.hasAttribute('role'))
  .map((element) => element.outerHTML)"""


@pytest.fixture
def open_console(browser: Browser, system: System, built: None) -> Iterator[Open]:  # noqa: ARG001 - needed for its effect
    """Opens a view in a new window; keyword arguments are options of the browser's context."""
    opened: list[ConsolePage] = []

    def open_view(query: str = "", script: str = "", **options: Any) -> ConsolePage:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
        context.set_default_timeout(30_000)
        context.add_init_script(script)
        opened.append(ConsolePage(context.new_page(), system.url))
        return opened[-1].open(query)

    yield open_view
    for console in opened:
        console.expect_no_faults()
        console.page.context.close()


# The view of the system


def test_system_view_shows_the_queue_and_the_workers_live(open_console: Open, system: System) -> None:
    page = open_console("?view=system").page
    running = page.get_by_role("region", name="Running")
    workers = page.get_by_role("region", name="Workers")
    expect(workers.get_by_role("row")).to_have_count(2)
    expect(workers).to_contain_text("@tests")
    with paused(system.worker):
        for _ in range(3):
            httpx.post(f"{system.url}/generate?n=10", timeout=20)
        expect(page.get_by_role("region", name="Queued")).to_contain_text("3of at most 10,000 open jobs")
        chart = page.get_by_role("img", name="Queued in the last 5 minutes")
        expect(chart).to_have_attribute("aria-label", "Queued in the last 5 minutes: 0 to 3")
    expect(page.get_by_role("region", name="Queued")).to_contain_text("0of at most")
    expect(running.get_by_role("img")).to_have_attribute("aria-label", "Running in the last 5 minutes: 0 to 0")


def test_list_of_jobs_has_the_state_of_the_system(open_console: Open, system: System) -> None:
    page = open_console().page
    expect(page.get_by_text("1 worker", exact=True)).to_be_visible()
    with paused(system.worker):
        httpx.post(f"{system.url}/generate?n=10", timeout=20)
        expect(page.get_by_text("1 queued", exact=True)).to_be_visible()
    expect(page.get_by_text("0 queued", exact=True)).to_be_visible()


def test_system_view_pauses_while_the_page_is_hidden(open_console: Open) -> None:
    page = open_console("?view=system", RECORD_SENT).page
    expect(page.get_by_role("region", name="Queued")).to_be_visible()
    for is_hidden, last in ((True, "complete"), (False, "subscribe")):
        page.evaluate(HIDE, is_hidden)
        page.wait_for_function(f"sent.at(-1)?.type === '{last}'")


@pytest.mark.parametrize(("motion", "interval"), [("reduce", 5000), ("no-preference", 1000)])
def test_charts_move_less_with_reduced_motion(open_console: Open, motion: str, interval: int) -> None:
    page = open_console("?view=system", RECORD_SENT, reduced_motion=motion).page
    page.wait_for_function("sent.some((message) => message.type === 'subscribe')")
    variables = page.evaluate("sent.find((message) => message.type === 'subscribe').payload.variables")
    assert variables == {"intervalMs": interval}


def test_header_says_which_services_do_not_respond(
    browser: Browser,
    system: System,
    tmp_path: Path,
    built: None,  # noqa: ARG001 - needed for its effect
) -> None:
    closed = f"http://127.0.0.1:{programs.free_port()}"
    options: dict[str, Any] = {
        "GRAFANA_URL": f"{system.url}/docs",
        "RESULTS_URL": system.results_url,
        "PRODUCTION": "true",
    }
    options |= {"METRICS_URL": closed, "TRACES_URL": closed, "LOCUST_URL": closed}
    with programs.api(tmp_path, system.valkey.url, system.prefix, **options) as (url, _):
        console = ConsolePage(browser.new_context().new_page(), url).open()
        links = console.page.get_by_role("navigation", name="Other pages")
        # The links of this server alone are there from the beginning.
        expect(links.get_by_role("link")).to_have_count(6)
        names = links.get_by_role("link").all_text_contents()
        missing = [f"{name} (not reachable)" for name in ("GraphiQL", "VictoriaMetrics", "Jaeger", "Locust")]
        assert names == ["REST", "Grafana", *missing]
        expect(links.get_by_text("Not reachable:")).to_be_visible()
        expect(links.get_by_role("link", name="Grafana")).to_have_attribute("href", f"{system.url}/docs")
        console.expect_no_faults()
        console.page.context.close()


@pytest.mark.parametrize("is_reachable", [True, False])
def test_header_has_at_most_two_lines_on_a_phone(open_console: Open, is_reachable: bool) -> None:
    console = open_console("?view=system", viewport={"width": 360, "height": 800})
    page = console.page
    own = [{"name": name, "url": name, "isReachable": True} for name in ("GraphiQL", "REST")]
    services = [
        {"name": name, "url": f"http://{name}.example", "isReachable": is_reachable}
        for name in ("Grafana", "VictoriaMetrics", "Jaeger", "Locust")
    ]
    page.route("**/links", lambda route: route.fulfill(json={"links": own + services}))
    page.reload()
    name = "Locust" if is_reachable else "Locust (not reachable)"
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    lines = page.evaluate("[...document.querySelectorAll('header a')].map((link) => link.offsetTop)")
    assert len(lines) == 9
    assert len(set(lines)) <= 2


# Accessibility


@pytest.fixture(scope="module")
def axe() -> str:
    """The program that looks for faults in accessibility."""
    return (npm_packages(ROOT / "tests/e2e/clients") / "axe-core/axe.min.js").read_text(encoding="utf-8")


def faults(page: Page, axe: str) -> list[str]:
    """Serious faults of the page. The program comes by the browser's debugging protocol, which no policy restricts."""
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_views_have_no_serious_fault_in_accessibility(
    open_console: Open, system: System, axe: str, scheme: str, width: int
) -> None:
    job_id = finished_job(system, 1000)
    console = open_console(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = console.page
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        found[name] = faults(page, axe)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found[name].append("wider than the window")

    expect(page.locator(f'a[href="?job={job_id}"]').first).to_be_visible()
    look("jobs")
    console.open("?to=2001-01-01T00:00:00Z")
    expect(page.get_by_text("No job matches these filters.")).to_be_visible()
    look("no job under a filter")
    console.open(f"?job={job_id}")
    expect(page.get_by_text("Succeeded").first).to_be_visible()
    look("job")
    console.open("?job=unknown")
    expect(page.get_by_role("alert")).to_contain_text("There is no job")
    look("unknown job")
    console.open("?view=system")
    expect(page.get_by_role("region", name="Workers")).to_be_visible()
    look("system")
    respond(page, {"data": {"jobs": NO_JOBS, "open": NO_JOBS}})
    console.open()
    expect(page.get_by_text("No jobs yet.")).to_be_visible()
    look("no jobs")
    respond(page, {"errors": [{"message": "Missing API key.", "extensions": {"code": "UNAUTHENTICATED"}}]})
    console.open()
    expect(page.get_by_role("dialog", name="API key")).to_be_visible()
    look("key")
    assert [faulty for faulty in found.items() if faulty[1]] == []


def respond(page: Page, answer: dict[str, Any]) -> None:
    """Answer each query of the list in place of the API."""

    def handle(route: Route) -> None:
        if is_operation(route, "Jobs"):
            route.fulfill(json=answer)
        else:
            route.fallback()

    page.route("**/graphql", handle)


def test_table_of_jobs_keeps_its_roles_on_a_phone(open_console: Open, system: System) -> None:
    """Some browsers take the roles of elements that are not displayed as a table."""
    job_id = finished_job(system, 10)
    page = open_console(viewport={"width": 360, "height": 800}).page
    expect(page.locator(f'a[href="?job={job_id}"]').first).to_be_visible()
    assert page.evaluate(ROLES_LEFT_TO_DISPLAY) == []
    assert set(page.evaluate(ROLES)) == {"table", "rowgroup", "row", "columnheader", "rowheader", "cell"}


# Frames

JOBS = 50
SEGMENTS = 8
FRAME_MS = 50
# The processor time of each task of the page's main thread, which excludes what other programs of the machine take.
CATEGORIES = ["disabled-by-default-devtools.timeline", "devtools.timeline", "toplevel"]


def test_frames_are_short_while_50_jobs_progress(
    browser: Browser,
    valkey: Valkey,
    prefix: str,
    tmp_path: Path,
    built: None,  # noqa: ARG001 - needed for its effect
) -> None:
    recorder = JobRecorder.connect(JobSettings(redis_url=valkey.url, key_prefix=prefix))
    with programs.api(tmp_path, valkey.url, prefix) as (url, _):
        ids = [
            httpx.post(f"{url}/generate", params={"n": SEGMENTS << 20}, timeout=20).json()["request_id"]
            for _ in range(JOBS)
        ]
        console = ConsolePage(browser.new_context(viewport={"width": 1200, "height": 4000}).new_page(), url).open()
        page = console.page
        # The first drawing of the list is not measured.
        rows = page.get_by_role("table").get_by_role("row")
        expect(rows.get_by_text("Queued", exact=True)).to_have_count(JOBS)
        with recorded(browser, page, tmp_path / "trace.json") as tasks:
            for index in range(SEGMENTS):
                for job_id in ids:
                    claim = recorder.claim_segment(job_id, index)
                    assert claim is not None
                    assert recorder.complete_segment(claim, SegmentResult(2, 3, "0" * 64))
            expect(rows.get_by_text("Succeeded", exact=True)).to_have_count(JOBS)
        console.expect_no_faults()
        page.context.close()
    assert max(tasks) <= FRAME_MS


@contextmanager
def recorded(browser: Browser, page: Page, path: Path) -> Iterator[list[float]]:
    """Fills the list with the processor time in ms of each task of the page's main thread."""
    tasks: list[float] = []
    browser.start_tracing(page=page, path=path, categories=CATEGORIES)
    yield tasks
    browser.stop_tracing()
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    threads = {event["tid"] for event in events if event.get("args", {}).get("name") == "CrRendererMain"}
    tasks += [
        event["tdur"] / 1000
        for event in events
        if event["name"] == "RunTask" and event["tid"] in threads and "tdur" in event
    ]
