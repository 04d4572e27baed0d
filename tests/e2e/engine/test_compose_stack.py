"""`docker compose up --build` on a real engine, with the profiles "core" and "full", and what users do next.

One file, so that parallel test processes start one engine. Each class has its own system, shared by its tests.
"""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests.e2e.engine.base_images import make_base_images, make_telemetry_images
from tests.e2e.engine.compose_project import compose_project
from tests.e2e.engine.docker_engine import docker_engine
from tests.e2e.live_updates.transports import TRANSPORTS
from tests.tasks.engine.sieve import primes_below
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.engine.compose_project import Project
    from tests.e2e.engine.docker_engine import Engine

# The first one makes the images, which takes minutes on a new machine.
pytestmark = pytest.mark.timeout(1800)

CORE = {"api": "healthy", "celery-worker": "healthy", "valkey": "healthy", "secrets": "exited"}
FULL = CORE | {
    "otel-collector": "running",
    "victoria-metrics": "healthy",
    "vmalert": "healthy",
    "jaeger": "healthy",
    "grafana": "healthy",
    "locust": "healthy",
    "locust-worker": "running",
}
# Published ports of the services that the console links to.
LINKED = ("GRAFANA_PORT", "METRICS_PORT", "TRACES_PORT", "LOCUST_PORT")
LARGE = 3_000_000
# The prime with that number.
LARGE_LAST = 49_979_687
# Enough for the small jobs.
PRIMES = primes_below(10_000).tolist()
# Large enough to run for many seconds.
ENDLESS = 100_000_000
# Limit for the layers that the project adds to the base image.
IMAGE_BYTES = 400_000_000


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with docker_engine() as engine:
        make_base_images(engine)
        yield engine


@pytest.fixture(scope="class")
def core(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with compose_project(engine, tmp_path_factory.mktemp("core"), "core") as project:
        yield project


@pytest.fixture(scope="class")
def full(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    make_telemetry_images(engine)
    folder = tmp_path_factory.mktemp("full")
    with compose_project(engine, folder, "full") as project:
        yield project


class TestCore:
    """API, worker and store."""

    def test_every_service_is_healthy(self, core: Project) -> None:
        # Another test may just have started it again.
        core.up("--wait")
        assert core.services() == CORE

    @pytest.mark.parametrize(("path", "text"), [("/", '<div id="console">'), ("/docs", "swagger-ui")])
    def test_pages_are_served(self, core: Project, path: str, text: str) -> None:
        page = httpx.get(f"{core.url}{path}", headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert text in page.text

    def test_graphiql_is_in_the_image(self, core: Project) -> None:
        """Not the page that replaces it if it was not built."""
        page = httpx.get(f"{core.url}/graphql", headers={"Accept": "text/html"}).text
        [script] = re.findall(r'<script[^>]* src="([^"]+\.js)"', page)
        assert httpx.get(httpx.URL(f"{core.url}/graphql").join(script)).status_code == 200

    @pytest.mark.parametrize("transport", TRANSPORTS)
    async def test_job_is_followed_to_its_result(self, core: Project, transport: str) -> None:
        job = core.submit(1_000)
        states = [state async for state in TRANSPORTS[transport](core.url, job)]
        assert states[-1]["status"] == "SUCCEEDED"
        assert core.result(job)["result"] == PRIMES[:1_000]

    def test_large_result_is_downloaded_in_every_format(self, core: Project) -> None:
        downloads = core.result(core.submit(LARGE))["downloads"]
        found = {form: httpx.get(f"{core.url}{path}", timeout=60).content for form, path in downloads.items()}
        table = pq.read_table(io.BytesIO(found["parquet"]))
        assert (table.num_rows, table.column(0)[-1].as_py()) == (LARGE, LARGE_LAST)
        for form in ("csv", "ndjson"):
            lines = found[form].splitlines()
            assert len(lines) in {LARGE, LARGE + 1}
            assert str(LARGE_LAST).encode() in lines[-1]

    def test_no_job_is_lost_when_containers_are_killed(self, core: Project) -> None:
        counts = [*range(1_000, 1_097), LARGE, LARGE, LARGE]
        kills = {25: "celery-worker", 50: "api", 75: "valkey", 99: "celery-worker"}
        jobs = {}
        for place, count in enumerate(counts):
            jobs[core.submit(count)] = count
            if place in kills:
                core.kill(kills[place])
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(core.result, jobs))
        assert [found["status"] for found in results] == ["complete"] * len(counts)
        for count, found in zip(jobs.values(), results, strict=True):
            assert found["result"] == (None if count == LARGE else PRIMES[:count])
        assert {service: core.state(service)["Status"] for service in kills.values()} == dict.fromkeys(
            kills.values(), "running"
        )

    def test_containers_are_confined(self, core: Project) -> None:
        for service, role in {"api": "api", "celery-worker": "worker"}.items():
            # The role's password alone: not those of others, nor empty folders for them.
            assert core.execute(service, "ls", "-A", "/secrets").split() == ["password"]
            assert core.execute(service, "id", "-u").strip() == "10001"
            assert "CapEff:\t0000000000000000" in core.execute(service, "cat", "/proc/1/status")
            with pytest.raises(AssertionError, match="Read-only file system"):
                core.execute(service, "touch", "/app/file")
            url = f"redis://{role}@valkey:6379/0"
            program = (
                f"import redis; redis.Redis.from_url('{url}', password=open('/secrets/password').read()).flushall()"
            )
            with pytest.raises(AssertionError, match="NoPermissionError"):
                core.execute(service, "python", "-c", program)

    def test_changed_settings_are_applied_to_a_running_system(self, core: Project) -> None:
        before = core.submit(10)
        core.result(before)
        changed = {"KEY_PREFIX": "other:", "AUTHENTICATION": "keys"}
        core.up("--wait", **changed)
        key = core.compose("exec", "--no-TTY", "api", "python", "-m", "gql.keys", "create", "me", **changed).strip()
        assert httpx.post(f"{core.url}/generate?n=5").status_code == 401
        headers = {"Authorization": f"Bearer {key}"}
        submitted = httpx.post(f"{core.url}/generate?n=5", headers=headers).json()["request_id"]
        status = f"{core.url}/status/{submitted}"
        found = httpx.get(status, headers=headers | {"Prefer": "wait=20"}, timeout=30).json()
        assert found == {"status": "complete", "result": [2, 3, 5, 7, 11]}
        # With the former prefix, the former jobs are there again.
        core.up()
        assert core.result(before)["status"] == "complete"

    def test_busy_system_stops_cleanly_and_keeps_its_jobs(self, core: Project) -> None:
        done, running = core.submit(LARGE), core.submit(ENDLESS)
        result = core.result(done)
        core.compose("stop")
        ended = core.ended(["api", "celery-worker", "valkey"])
        assert {service: how.exit_code for service, how in ended.items()} == dict.fromkeys(ended, 0)
        core.compose("down")
        core.up()
        assert core.result(done) == result
        core.cancel(running)

    def test_change_of_the_code_installs_nothing_again(self, core: Project) -> None:
        changed = core.folder / "gql/keys.py"
        changed.write_text(f"{changed.read_text(encoding='utf-8')}\n", encoding="utf-8")
        output = core.build()
        steps = re.findall(r"^#(\d+) .*\](?: (RUN python -m venv|RUN npm ci|COPY gql gql))", output, re.MULTILINE)
        cached = set(re.findall(r"^#(\d+) CACHED$", output, re.MULTILINE))
        assert {name: number in cached for number, name in steps} == {
            "RUN python -m venv": True,
            "RUN npm ci": True,
            "COPY gql gql": False,
        }

    def test_image_contains_only_what_it_needs(self, core: Project) -> None:
        sizes = core.engine.docker("history", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", "primes:local")
        layers = [line.partition(" ") for line in sizes.splitlines()]
        assert sum(int(size) for size, _, command in layers if command.startswith("COPY")) < IMAGE_BYTES


class TestFull:
    """With telemetry and load test."""

    def test_every_service_is_healthy(self, full: Project) -> None:
        """Grafana's stand-in is healthy if everything is mounted."""
        full.up("--wait")
        assert full.services() == FULL

    def test_console_links_to_services_that_respond(self, full: Project) -> None:
        links = {
            link["url"]: link["isReachable"] for link in httpx.get(f"{full.url}/links", timeout=10).json()["links"]
        }
        services = {full.address(port).replace("127.0.0.1", "localhost") for port in LINKED}
        assert links == dict.fromkeys({"graphql", "docs"} | services, True)

    def test_metrics_and_traces_of_jobs_arrive(self, full: Project) -> None:
        query = """mutation { generatePrimes(input: {count: 100}, waitMs: 20000) {
            ... on GeneratePrimesAccepted { job { status traceId } }
        } }"""
        response = httpx.post(f"{full.url}/graphql", json={"query": query}, timeout=30).json()
        job = response["data"]["generatePrimes"]["job"]
        assert job["status"] == "SUCCEEDED"
        # From the API and from the worker, and those that the metrics store and the alerts have of themselves.
        for expression in ("job_submissions_total", "prime_computed_total", "sum(up) == 4", "vmalert_iteration_total"):
            wait_for_metrics(full, expression)
        wait_until(lambda: {"primes-api", "primes-worker"} <= services_in(full, job["traceId"]), 60)

    def test_locust_generates_load(self, full: Project) -> None:
        locust = full.address("LOCUST_PORT")

        def statistics() -> dict[str, Any]:
            found: dict[str, Any] = httpx.get(f"{locust}/stats/requests").json()
            return found

        assert "Light" in httpx.get(locust).text
        wait_until(lambda: [worker["state"] for worker in statistics()["workers"]] == ["ready"], 60)
        form = {"user_count": "3", "spawn_rate": "3", "shape_class": "Light", "host": "http://api:8000"}
        assert httpx.post(f"{locust}/swarm", data=form).json()["success"] is True

        wait_until(lambda: statistics()["stats"][-1]["num_requests"] > 20, 60, lambda: str(statistics()))
        assert statistics()["errors"] == []
        httpx.get(f"{locust}/stop")

    def test_busy_system_stops_the_collector_after_its_senders(self, full: Project) -> None:
        # It has no health check, and ends with 143 if it is stopped while it starts.
        wait_for_load_generator(full)
        full.submit(ENDLESS)
        full.compose("stop")
        ended = full.ended(list(FULL))
        assert {service: how.exit_code for service, how in ended.items()} == dict.fromkeys(FULL, 0)
        assert ended["otel-collector"].finished > max(ended["api"].finished, ended["celery-worker"].finished)
        assert "Unrecoverable" not in full.compose("logs", "celery-worker")
        full.up()


def wait_for_metrics(project: Project, expression: str) -> None:
    address = f"{project.address('METRICS_PORT')}/api/v1/query"

    def has_arrived() -> bool:
        return bool(httpx.get(address, params={"query": expression}).json()["data"]["result"])

    wait_until(has_arrived, 60, lambda: expression)


def wait_for_load_generator(project: Project) -> None:
    """Until Locust's worker is connected."""
    address = f"{project.address('LOCUST_PORT')}/stats/requests"

    def states() -> list[str]:
        return [worker["state"] for worker in httpx.get(address).json()["workers"]]

    # Any state of a worker that is there: it may just have ended a load.
    wait_until(lambda: any(state != "missing" for state in states()), 60, lambda: str(states()))


def services_in(project: Project, trace_id: str) -> set[str]:
    """Names of the services that sent spans of a trace."""
    response = httpx.get(f"{project.address('TRACES_PORT')}/api/traces/{trace_id}")
    if response.status_code != 200:
        return set()
    return {process["serviceName"] for trace in response.json()["data"] for process in trace["processes"].values()}
