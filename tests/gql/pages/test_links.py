"""The links of the console, and the check of the services that they lead to."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from gql.pages import links
from gql.pages.links import LinkedServices
from gql.settings import ApiSettings
from tests.authenticated import bearer_header
from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.authenticated import AuthenticatedSystem


class Service:
    """A linked service on the loopback address, and the requests that it received."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.requests: list[str] = []
        self.may_respond = threading.Event()
        self.may_respond.set()


@contextmanager
def running() -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            started.requests.append(self.path)
            started.may_respond.wait(10)
            self.send_response(started.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    started = Service(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield started
    started.may_respond.set()
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    with running() as service:
        yield service


async def listed(**settings: Any) -> dict[str, tuple[str, bool]]:
    """The address of each link and whether it is reachable, by name."""
    app = FastAPI()
    links.add_routes(app, ApiSettings(**settings))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        answer = await http.get("/links")
    assert answer.headers["cache-control"] == "no-store"
    return {link["name"]: (link["url"], link["isReachable"]) for link in answer.json()["links"]}


async def test_links_say_which_services_respond(service: Service) -> None:
    closed = f"http://127.0.0.1:{free_port()}"
    urls = dict.fromkeys(("grafana_url", "traces_url", "locust_url"), closed)
    assert await listed(metrics_url=service.url, **urls) == {
        "GraphiQL": ("graphql", True),
        "REST": ("docs", True),
        "Grafana": (closed, False),
        "VictoriaMetrics": (service.url, True),
        "Jaeger": (closed, False),
        "Locust": (closed, False),
    }


async def test_service_is_checked_where_the_api_reaches_it(service: Service) -> None:
    browser = f"http://127.0.0.1:{free_port()}"
    found = await listed(grafana_url=browser, link_check_urls=f"grafana={service.url}/health?a=b")
    assert found["Grafana"] == (browser, True)
    assert service.requests == ["/health?a=b"]


@pytest.mark.parametrize("setting", ["production", "trusted_documents_only"])
async def test_graphiql_that_is_not_served_is_not_reachable(setting: str) -> None:
    assert (await listed(**{setting: True}))["GraphiQL"] == ("graphql", False)


@pytest.mark.parametrize(("status", "responds"), [(200, True), (302, True), (401, True), (404, True), (502, False)])
async def test_any_status_but_a_server_error_is_a_response(service: Service, status: int, responds: bool) -> None:
    service.status = status
    assert await LinkedServices({"a": service.url}).responding() == ({"a"} if responds else set())
    # No redirect is followed.
    assert service.requests == ["/"]


@pytest.mark.parametrize("url", ["http://name.invalid", "http://[::1]:0", "https://127.0.0.1:{port}", "http://a..b/"])
async def test_address_that_leads_nowhere_is_not_reachable(service: Service, url: str) -> None:
    port = service.url.rpartition(":")[2]
    assert await LinkedServices({"a": url.format(port=port)}).responding() == set()


async def test_services_are_checked_once_for_all_requests_of_some_seconds(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = LinkedServices({"a": service.url})
    assert await asyncio.gather(*(services.responding() for _ in range(20))) == [{"a"}] * 20
    assert len(service.requests) == 1
    service.status = 500
    assert await services.responding() == {"a"}
    monkeypatch.setattr(links, "_CHECK_INTERVAL_SECONDS", 0)
    assert await services.responding() == set()
    assert len(service.requests) == 2


async def test_silent_services_are_waited_for_together_and_briefly(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "_TIMEOUT_SECONDS", 0.2)
    service.may_respond.clear()
    with running() as other:
        services = LinkedServices({"a": service.url, "b": f"{service.url}/b", "c": f"{service.url}/c", "d": other.url})
        started = time.monotonic()
        assert await services.responding() == {"d"}
    assert time.monotonic() - started < 0.2 * 3


def test_links_need_credentials(authenticated: AuthenticatedSystem) -> None:
    url = f"{authenticated.system.url}/links"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers=bearer_header(authenticated.alice)).status_code == 200
