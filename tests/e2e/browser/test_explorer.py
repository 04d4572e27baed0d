"""GraphiQL in a real browser against a running system. A page that sends a request to another host fails its test."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect

from gql.explorer import CONTENT_SECURITY_POLICY
from tests import programs
from tests.conftest import System
from tests.e2e.browser.explorer_page import NO_WEBSOCKET, ExplorerPage
from tests.programs import ROOT, Valkey

Open = Callable[..., ExplorerPage]


@pytest.fixture
def open_explorer(browser: Browser, system: System, built: None) -> Iterator[Open]:  # noqa: ARG001 - needed for its effect
    """Opens the page in a new browser context; keyword arguments are options of the context."""
    contexts: list[BrowserContext] = []
    explorers: list[ExplorerPage] = []

    def open_page(script: str = "", url: str = system.url, **settings: object) -> ExplorerPage:
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, **settings)  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        context.add_init_script(script)
        contexts.append(context)
        explorers.append(ExplorerPage(context.new_page(), url))
        return explorers[-1].open()

    yield open_page
    for context in contexts:
        context.close()
    assert [explorer.external_urls for explorer in explorers] == [[] for _ in explorers]


def submit(explorer: ExplorerPage, count: int, wait_ms: int = 5000) -> str:
    """Run the operation of the Submit tab. Returns the id of the job."""
    explorer.open_tab("Submit")
    explorer.set_text("variables", json.dumps({"input": {"count": count}, "waitMs": wait_ms}))
    with explorer.page.expect_response(
        lambda response: "generatePrimes" in (response.request.post_data or "")
    ) as response:
        explorer.run()
    explorer.expect_result("GeneratePrimesAccepted")
    job_id: str = response.value.json()["data"]["generatePrimes"]["job"]["id"]
    return job_id


def test_tabs_use_the_id_of_the_submitted_job(open_explorer: Open) -> None:
    explorer = open_explorer()
    explorer.run()  # unchanged: 1000 primes
    explorer.expect_result("GeneratePrimesAccepted", '"id":')

    explorer.open_tab("Follow")
    explorer.run()
    explorer.expect_result('"isFinal": true', "SUCCEEDED")

    explorer.open_tab("Page")
    explorer.run()
    explorer.expect_result('"hasNextPage": true', '"totalCount": 1000')

    explorer.open_tab("Cancel")
    explorer.run()
    explorer.expect_result("JOB_ALREADY_FINISHED")

    explorer.open_tab("REST")
    explorer.run()
    explorer.expect_result("maxPageSize")
    explorer.expect_no_faults()


@pytest.fixture
def url_without_worker(valkey: Valkey, tmp_path: Path, prefix: str) -> Iterator[str]:
    """The address of an API without a worker: jobs stay queued."""
    with programs.api(tmp_path, valkey.url, prefix) as (url, _):
        yield url


def test_subscription_shows_a_cancellation_from_another_window(url_without_worker: str, open_explorer: Open) -> None:
    follower, other = open_explorer(url=url_without_worker), open_explorer(url=url_without_worker)
    job_id = submit(follower, count=10, wait_ms=0)
    follower.open_tab("Follow")
    follower.run()
    follower.expect_result("QUEUED", job_id)

    other.open_tab("Cancel")
    other.set_text("variables", json.dumps({"id": job_id}))
    other.run()
    other.expect_result("CancelJobAccepted", job_id)

    follower.expect_result("CANCELLED", '"isFinal": true')


def test_stopping_a_subscription_closes_its_websocket(url_without_worker: str, open_explorer: Open) -> None:
    explorer = open_explorer(url=url_without_worker)
    submit(explorer, count=10, wait_ms=0)
    explorer.open_tab("Follow")
    explorer.run()
    explorer.expect_result("QUEUED")
    with explorer.sockets[-1].expect_event("close"):
        explorer.page.get_by_role("button", name="Stop query").click()


def test_websocket_sends_the_headers_in_connection_init(open_explorer: Open) -> None:
    explorer = open_explorer()
    submit(explorer, count=10)
    explorer.open_tab("Follow")
    explorer.set_text("request-headers", '{"authorization": "Bearer secret"}')
    sent: list[str] = []
    explorer.page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))),
    )
    explorer.run()
    explorer.expect_result('"isFinal": true')
    assert [urlsplit(socket.url).path for socket in explorer.sockets] == ["/graphql"]
    assert json.loads(sent[0]) == {"type": "connection_init", "payload": {"Authorization": "Bearer secret"}}
    assert "Follow" in json.loads(sent[1])["payload"]["query"]


def test_subscription_falls_back_to_server_sent_events(open_explorer: Open) -> None:
    explorer = open_explorer(NO_WEBSOCKET)
    submit(explorer, count=10)
    explorer.open_tab("Follow")
    explorer.set_text("request-headers", '{"authorization": "Bearer secret"}')
    explorer.run()
    explorer.expect_result('"isFinal": true', "SUCCEEDED")
    request = explorer.posts()[-1]
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["authorization"] == "Bearer secret"


def test_query_sends_the_headers(open_explorer: Open) -> None:
    explorer = open_explorer()
    explorer.open_tab("REST")
    explorer.set_text("request-headers", '{"Authorization": "Bearer secret"}')
    explorer.run()
    explorer.expect_result("maxPageSize")
    request = explorer.posts()[-1]
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["accept"].startswith("application/graphql-response+json, application/json")


@pytest.mark.parametrize("script", ["", NO_WEBSOCKET], ids=["websocket", "event stream"])
def test_api_key_authenticates_queries_and_subscriptions(
    open_explorer: Open, system: System, tmp_path: Path, script: str
) -> None:
    environment = os.environ | {"REDIS_URL": system.valkey.url, "KEY_PREFIX": system.prefix}
    command = [sys.executable, "-m", "gql.keys", "create", "alice"]
    created = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    key = json.dumps({"Authorization": f"Bearer {created.stdout.strip()}"})
    with programs.api(tmp_path, system.valkey.url, system.prefix, AUTHENTICATION="keys") as (url, _):
        explorer = open_explorer(script, url)
        explorer.open_tab("Submit")
        explorer.run()
        explorer.expect_result("UNAUTHENTICATED")
        explorer.set_text("request-headers", key)
        explorer.run()
        explorer.expect_result("GeneratePrimesAccepted")
        explorer.open_tab("Follow")
        explorer.set_text("request-headers", key)
        explorer.run()
        explorer.expect_result('"isFinal": true', "SUCCEEDED")


def test_follow_before_submit_explains_what_to_do(open_explorer: Open) -> None:
    explorer = open_explorer()
    explorer.open_tab("Follow")
    explorer.run()
    explorer.expect_result("No job yet: run the Submit tab first")


def test_id_in_the_variables_overrides_the_last_submitted_job(open_explorer: Open) -> None:
    explorer = open_explorer()
    first = submit(explorer, count=10)
    submit(explorer, count=20)
    explorer.open_tab("Page")
    explorer.set_text("variables", json.dumps({"id": first, "first": 5}))
    explorer.run()
    explorer.expect_result(first, '"totalCount": 10')


def test_job_and_tabs_survive_a_reload(open_explorer: Open) -> None:
    explorer = open_explorer()
    job_id = submit(explorer, count=10)
    explorer.open_tab("Page")
    stored = "() => JSON.parse(localStorage.getItem('graphiql:tabState') ?? '{}').activeTabIndex === 2"
    explorer.page.wait_for_function(stored)
    explorer.open()
    expect(explorer.page.get_by_role("tab")).to_have_count(5)
    explorer.open_tab("Page")
    explorer.run()
    explorer.expect_result(job_id)


def test_explorer_plugin_shows_the_schema(open_explorer: Open) -> None:
    explorer = open_explorer()
    explorer.page.get_by_role("button", name="Show GraphiQL Explorer").click()
    expect(explorer.page.locator(".docExplorerWrap")).to_contain_text("generatePrimes")
    explorer.expect_no_faults()


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_page_follows_the_colour_scheme_of_the_system(open_explorer: Open, scheme: str, is_dark: bool) -> None:
    explorer = open_explorer(color_scheme=scheme)
    brightness = (
        "() => +getComputedStyle(document.querySelector('.graphiql-container')).backgroundColor.match(/\\d+/)[0]"
    )
    assert (explorer.page.evaluate(brightness) < 128) is is_dark


def test_setting_of_the_page_overrides_the_colour_scheme_of_the_system(open_explorer: Open) -> None:
    explorer = open_explorer(color_scheme="light")
    explorer.page.get_by_role("button", name="Open settings dialog").click()
    explorer.page.get_by_role("button", name="Dark", exact=True).click()
    expect(explorer.page.locator("body.graphiql-dark")).to_be_attached()


def test_page_works_under_its_content_security_policy(open_explorer: Open) -> None:
    """The test sets the policy too, and so does not depend on the headers of the server."""
    # A response made by the test has no address, and the browser protects loopback from such pages.
    explorer = open_explorer(permissions=["local-network-access"])

    def with_policy(route: Route) -> None:
        response = route.fetch()
        route.fulfill(
            response=response, headers={**response.headers, "content-security-policy": CONTENT_SECURITY_POLICY}
        )

    explorer.page.route(
        "**/graphql", lambda route: with_policy(route) if route.request.method == "GET" else route.fallback()
    )
    explorer.open()
    submit(explorer, count=10)
    explorer.open_tab("Follow")
    explorer.run()
    explorer.expect_result('"isFinal": true')
    explorer.expect_no_faults()
    assert {urlsplit(worker.url).scheme for worker in explorer.page.workers} == {urlsplit(explorer.url).scheme}
