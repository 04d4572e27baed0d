"""The explorer as a person uses it: a real browser, a running system, and no network but that system.

Chromium is the machine's, or the one Playwright brought. Each page fails its test when it asks for anything from
elsewhere, when its console shows an error, or when its Content-Security-Policy was broken.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, WebSocket, expect

from gql.explorer import CONTENT_SECURITY_POLICY
from tests import programs
from tests.conftest import System
from tests.programs import Valkey

# A handshake at an address without a socket: refused, as by a proxy that passes no upgrades.
NO_WEBSOCKET = """
window.WebSocket = class extends WebSocket {
  constructor(url, protocols) { super(`${new URL(url).origin}/no-socket-here`, protocols); }
};
"""
# The editors draw only the lines in view; their models hold the whole text. The name is GraphiQL's.
SET_TEXT = """
([kind, text]) => __MONACO.editor.getModels().find((model) => model.uri.path.includes(kind)).setValue(text)
"""
ROOT = Path(__file__).parents[2]


class Explorer:
    """One open page, and everything it tried to reach or complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.requests: list[Request] = []
        self.sockets: list[WebSocket] = []
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - Playwright marks its handlers
        page.on("websocket", lambda socket: self.sockets.append(socket))  # noqa: PLW0108 - as above
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console", lambda line: self.complaints.append(line.text) if line.type in {"error", "warning"} else None
        )
        page.context.route("**/*", self._own_only)

    def _own_only(self, route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(self.url).netloc:
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def open(self) -> "Explorer":
        self.page.goto(f"{self.url}/graphql")
        expect(self.page.locator(".graphiql-query-editor .view-line").first).to_be_visible(timeout=20_000)
        return self

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
        expect(self.page.locator(".graphiql-query-editor")).to_contain_text(name)

    def write(self, editor: str, text: str) -> None:
        self.page.evaluate(SET_TEXT, [editor, text])

    def run(self) -> None:
        self.page.get_by_role("button", name="Execute query").click()

    def shows(self, *texts: str) -> None:
        for text in texts:
            expect(self.page.locator(".result-window")).to_contain_text(text, timeout=15_000)

    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]


@pytest.fixture(scope="session")
def built() -> None:
    """The page, made now unless the system's start has made it already."""
    subprocess.run([sys.executable, "-m", "gql.explorer.build"], cwd=ROOT, check=True, timeout=600)


Open = Callable[..., Explorer]


@pytest.fixture
def open_explorer(browser: Browser, system: System, built: None) -> Iterator[Open]:  # noqa: ARG001 - built by its effect
    """Open the page for a first visit; keyword arguments are the browser context's."""
    contexts: list[BrowserContext] = []
    explorers: list[Explorer] = []

    def open_page(script: str = "", url: str = system.url, **settings: object) -> Explorer:
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, **settings)  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        context.add_init_script(script)
        contexts.append(context)
        explorers.append(Explorer(context.new_page(), url))
        return explorers[-1].open()

    yield open_page
    for context in contexts:
        context.close()
    assert [explorer.foreign for explorer in explorers] == [[] for _ in explorers]


def submit(explorer: Explorer, count: int, wait_ms: int = 5000) -> str:
    """Run the Submit tab and return the job's id."""
    explorer.tab("Submit")
    explorer.write("variables", json.dumps({"input": {"count": count}, "waitMs": wait_ms}))
    with explorer.page.expect_response(
        lambda response: "generatePrimes" in (response.request.post_data or "")
    ) as answer:
        explorer.run()
    explorer.shows("GeneratePrimesAccepted")
    job_id: str = answer.value.json()["data"]["generatePrimes"]["job"]["id"]
    return job_id


def test_the_tabs_lead_through_a_jobs_life_without_copying_its_id(open_explorer: Open) -> None:
    explorer = open_explorer()
    explorer.run()  # as it stands: 1000 primes
    explorer.shows("GeneratePrimesAccepted", '"id":')

    explorer.tab("Follow")
    explorer.run()
    explorer.shows('"isFinal": true', "SUCCEEDED")

    explorer.tab("Page")
    explorer.run()
    explorer.shows('"hasNextPage": true', '"totalCount": 1000')

    explorer.tab("Cancel")
    explorer.run()
    explorer.shows("JOB_ALREADY_FINISHED")

    explorer.tab("REST")
    explorer.run()
    explorer.shows("maxPageSize")
    assert explorer.complaints == []


@pytest.fixture
def idle(valkey: Valkey, tmp_path: Path, prefix: str) -> Iterator[str]:
    """The address of an API without a worker: a job surely waits."""
    with programs.api(tmp_path, valkey.url, prefix) as (url, _):
        yield url


def test_a_follower_sees_a_job_cancelled_from_another_window(idle: str, open_explorer: Open) -> None:
    follower, other = open_explorer(url=idle), open_explorer(url=idle)
    job_id = submit(follower, count=10, wait_ms=0)
    follower.tab("Follow")
    follower.run()
    follower.shows("QUEUED", job_id)

    other.tab("Cancel")
    other.write("variables", json.dumps({"id": job_id}))
    other.run()
    other.shows("CancelJobAccepted", job_id)

    follower.shows("CANCELLED", '"isFinal": true')


def test_a_follower_that_stops_closes_its_socket(idle: str, open_explorer: Open) -> None:
    explorer = open_explorer(url=idle)
    submit(explorer, count=10, wait_ms=0)
    explorer.tab("Follow")
    explorer.run()
    explorer.shows("QUEUED")
    with explorer.sockets[-1].expect_event("close"):
        explorer.page.get_by_role("button", name="Stop query").click()


def test_a_subscription_goes_over_a_websocket_with_the_keys_in_its_first_message(open_explorer: Open) -> None:
    explorer = open_explorer()
    submit(explorer, count=10)
    explorer.tab("Follow")
    explorer.write("request-headers", '{"authorization": "Bearer secret"}')
    sent: list[str] = []
    explorer.page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))),
    )
    explorer.run()
    explorer.shows('"isFinal": true')
    assert [urlsplit(socket.url).path for socket in explorer.sockets] == ["/graphql"]
    assert json.loads(sent[0]) == {"type": "connection_init", "payload": {"Authorization": "Bearer secret"}}
    assert "Follow" in json.loads(sent[1])["payload"]["query"]


def test_a_subscription_falls_back_to_server_sent_events(open_explorer: Open) -> None:
    explorer = open_explorer(NO_WEBSOCKET)
    submit(explorer, count=10)
    explorer.tab("Follow")
    explorer.write("request-headers", '{"authorization": "Bearer secret"}')
    explorer.run()
    explorer.shows('"isFinal": true', "SUCCEEDED")
    request = explorer.posts()[-1]
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["authorization"] == "Bearer secret"


def test_keys_go_with_a_query(open_explorer: Open) -> None:
    explorer = open_explorer()
    explorer.tab("REST")
    explorer.write("request-headers", '{"Authorization": "Bearer secret"}')
    explorer.run()
    explorer.shows("maxPageSize")
    request = explorer.posts()[-1]
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["accept"].startswith("application/graphql-response+json, application/json")


@pytest.mark.parametrize("script", ["", NO_WEBSOCKET], ids=["websocket", "event stream"])
def test_a_key_opens_all_doors_where_keys_are_asked_for(
    open_explorer: Open, system: System, tmp_path: Path, script: str
) -> None:
    environment = os.environ | {"REDIS_URL": system.valkey.url, "KEY_PREFIX": system.prefix}
    command = [sys.executable, "-m", "gql.keys", "create", "somebody"]
    created = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    key = json.dumps({"Authorization": f"Bearer {created.stdout.strip()}"})
    with programs.api(tmp_path, system.valkey.url, system.prefix, AUTHENTICATION="keys") as (url, _):
        explorer = open_explorer(script, url)
        explorer.tab("Submit")
        explorer.run()
        explorer.shows("UNAUTHENTICATED")
        explorer.write("request-headers", key)
        explorer.run()
        explorer.shows("GeneratePrimesAccepted")
        explorer.tab("Follow")
        explorer.write("request-headers", key)
        explorer.run()
        explorer.shows('"isFinal": true', "SUCCEEDED")


def test_following_before_submitting_says_what_to_do(open_explorer: Open) -> None:
    explorer = open_explorer()
    explorer.tab("Follow")
    explorer.run()
    explorer.shows("No job yet: run the Submit tab first")


def test_an_id_in_the_variables_wins_over_the_job_submitted_last(open_explorer: Open) -> None:
    explorer = open_explorer()
    first = submit(explorer, count=10)
    submit(explorer, count=20)
    explorer.tab("Page")
    explorer.write("variables", json.dumps({"id": first, "first": 5}))
    explorer.run()
    explorer.shows(first, '"totalCount": 10')


def test_the_job_and_the_tabs_outlast_a_reload(open_explorer: Open) -> None:
    explorer = open_explorer()
    job_id = submit(explorer, count=10)
    explorer.tab("Page")
    stored = "() => JSON.parse(localStorage.getItem('graphiql:tabState') ?? '{}').activeTabIndex === 2"
    explorer.page.wait_for_function(stored)
    explorer.open()
    expect(explorer.page.get_by_role("tab")).to_have_count(5)
    explorer.tab("Page")
    explorer.run()
    explorer.shows(job_id)


def test_the_explorer_plugin_shows_the_schema(open_explorer: Open) -> None:
    explorer = open_explorer()
    explorer.page.get_by_role("button", name="Show GraphiQL Explorer").click()
    expect(explorer.page.locator(".docExplorerWrap")).to_contain_text("generatePrimes")
    assert explorer.complaints == []


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_the_page_follows_the_systems_colours(open_explorer: Open, scheme: str, is_dark: bool) -> None:
    explorer = open_explorer(color_scheme=scheme)
    brightness = (
        "() => +getComputedStyle(document.querySelector('.graphiql-container')).backgroundColor.match(/\\d+/)[0]"
    )
    assert (explorer.page.evaluate(brightness) < 128) is is_dark


def test_the_pages_own_setting_wins_over_the_systems_colours(open_explorer: Open) -> None:
    explorer = open_explorer(color_scheme="light")
    explorer.page.get_by_role("button", name="Open settings dialog").click()
    explorer.page.get_by_role("button", name="Dark", exact=True).click()
    expect(explorer.page.locator("body.graphiql-dark")).to_be_attached()


def test_the_page_works_under_its_content_security_policy(open_explorer: Open) -> None:
    """The policy is put on here as well, so that this holds whatever the server sends."""
    # An answer given by the test has no address of its own, so the browser would guard loopback from it.
    explorer = open_explorer(permissions=["local-network-access"])

    def with_policy(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": CONTENT_SECURITY_POLICY})

    explorer.page.route(
        "**/graphql", lambda route: with_policy(route) if route.request.method == "GET" else route.fallback()
    )
    explorer.page.context.add_init_script(
        "window.broken = [];"
        "addEventListener('securitypolicyviolation', (event) => broken.push(event.violatedDirective));"
    )
    explorer.open()
    submit(explorer, count=10)
    explorer.tab("Follow")
    explorer.run()
    explorer.shows('"isFinal": true')
    assert explorer.page.evaluate("broken") == []
    assert explorer.complaints == []
    assert {urlsplit(worker.url).scheme for worker in explorer.page.workers} == {urlsplit(explorer.url).scheme}
