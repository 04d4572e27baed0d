"""The system under load, watched as in production: what the store says of it is what its clients have counted.

API, two workers, clients and the load test send to the collector; every query of every dashboard and every rule of the
alerts is then executed against VictoriaMetrics.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from tests import programs
from tests.observability.queries import every_query, every_rule
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.telemetry.stack import Stack
    from tests.programs import Program

PREFIX = "watched:"

# Denser than in production, so that a short load fills the shortest interval of rates.
EXPORT_SECONDS = 1
RATE_INTERVAL = "30s"

SUBMIT = """mutation Submit($input: GeneratePrimesInput!, $ms: Int!) { generatePrimes(input: $input, waitMs: $ms) {
    __typename ... on GeneratePrimesAccepted { job { id status traceId } }
} }"""
FOLLOW = "subscription Follow($id: ID!) { jobUpdates(id: $id) { __typename } }"
PAGE = "query Page($id: ID!) { job(id: $id) { ... on Job { result { primes(first: 10) { values } } } } }"


@dataclass
class Load:
    """What the clients did, counted by them."""

    jobs: int = 0
    primes: int = 0
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Watched:
    url: str
    workers: list[Program]
    api: Program
    load: Load


def telling(stack: Stack) -> dict[str, Any]:
    """As docker-compose.yml has it, but more often."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_endpoint,
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_METRIC_EXPORT_INTERVAL": str(EXPORT_SECONDS * 1000),
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }


@pytest.fixture(scope="module")
def watched(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A system after a minute of load, all of it still running. Its counts are compared, so it is nobody else's."""
    folder, options = tmp_path_factory.mktemp("watched"), telling(stack)
    with (
        programs.valkey(folder) as valkey,
        programs.worker(folder, valkey.url, PREFIX, 1, **options) as first,
        programs.worker(folder, valkey.url, PREFIX, 1, **options) as second,
        programs.api(folder, valkey.url, PREFIX, **options) as (url, api),
        stack.vmalert(interval="1s"),
    ):
        load = Load()
        begun = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            for client in range(4):
                pool.submit(drive, url, load, client).add_done_callback(lambda done: done.result())
        load.seconds = time.monotonic() - begun
        yield Watched(url, [first, second], api, load)


def drive(url: str, load: Load, client: int) -> None:
    """One client: submits by both doors, follows, pages, downloads, and makes mistakes."""
    with httpx.Client(base_url=url, timeout=30) as http:

        def send(method: str, path: str, route: str, **arguments: Any) -> httpx.Response:
            response = http.request(method, path, **arguments)
            load.requests[route, response.status_code] += 1
            return response

        def graphql(query: str, headers: dict[str, str] | None = None, **variables: Any) -> httpx.Response:
            body = {"query": query, "variables": variables}
            return send("POST", "/graphql", "/graphql", json=body, headers=headers)

        for turn in range(60):
            count = (10, 500, 5_000, 30_000)[turn % 4] + client
            answer = graphql(SUBMIT, input={"count": count}, ms=5_000).json()
            job_id = answer["data"]["generatePrimes"]["job"]["id"]
            load.jobs, load.primes = load.jobs + 1, load.primes + count
            graphql(FOLLOW, {"Accept": "text/event-stream"}, id=job_id)
            graphql(PAGE, id=job_id)
            graphql(SUBMIT, input={"count": 0}, ms=0)
            graphql("{ nope }")
            send("GET", f"/status/{job_id}", "/status/{request_id}")
            send("GET", "/status/none", "/status/{request_id}")
            send("GET", f"/jobs/{job_id}/primes.csv", "/jobs/{job_id}/primes.{form}")
            send("POST", "/generate?n=7", "/generate")
            load.jobs, load.primes = load.jobs + 1, load.primes + 7


def total(stack: Stack, expression: str) -> float:
    return sum(found.value for found in stack.query(f"sum({expression})"))


def equals(stack: Stack, expression: str, expected: float) -> None:
    wait_until(
        lambda: total(stack, expression) == expected,
        30,
        lambda: f"{expression} is {total(stack, expression)}, not {expected}",
    )


def test_the_store_has_counted_what_the_clients_have(stack: Stack, watched: Watched) -> None:
    load, of_api = watched.load, 'service_name="primes-api"'
    equals(stack, f"max by (job_queue) (job_submissions_total{{{of_api},job_outcome='created'}})", load.jobs)
    equals(stack, f"max by (job_queue) (job_finished_total{{{of_api},job_status='SUCCEEDED'}})", load.jobs)
    equals(stack, "job_duration_seconds_count{job_status='SUCCEEDED'}", load.jobs)
    equals(stack, "prime_task_duration_milliseconds_count", load.jobs)
    equals(stack, "messaging_process_duration_seconds_count{task_outcome='done'}", load.jobs)
    equals(stack, "prime_computed_total", load.primes)
    for (route, status), count in load.requests.items():
        labels = f'http_route="{route}",http_response_status_code="{status}"'
        equals(stack, f"http_server_request_duration_seconds_count{{{labels}}}", count)
    # As many by each door, and as many mistakes of each kind.
    submitted, operations = load.jobs / 2, "graphql_server_operation_duration_seconds_count"
    equals(stack, f"{operations}{{graphql_root_field='generatePrimes',error_type=''}}", submitted)
    equals(stack, f"{operations}{{graphql_root_field='generatePrimes',error_type='ValidationError'}}", submitted)
    equals(stack, f"{operations}{{graphql_root_field='_invalid',error_type='INVALID'}}", submitted)
    equals(stack, "graphql_server_subscription_duration_seconds_count{graphql_root_field='jobUpdates'}", submitted)


def test_rates_are_of_the_right_order(stack: Stack, watched: Watched) -> None:
    """What a panel shows over the time of the load, times that time, is what was done."""
    load, window = watched.load, f"{math.ceil(watched.load.seconds) + 60}s"
    for expression, expected in (
        (f"sum(increase(http_server_request_duration_seconds_count[{window}]))", sum(load.requests.values())),
        (f"sum(max by (job_queue) (increase(job_finished_total[{window}])))", load.jobs),
        (f"sum(increase(prime_computed_total[{window}]))", load.primes),
    ):
        [found] = stack.query(expression)
        assert expected / 2 < found.value < expected * 2, expression


def test_series_are_bounded(stack: Stack, watched: Watched) -> None:
    """Per process: some twenty metrics, and of histograms a series for each bucket and combination of words."""
    processes = 1 + len(watched.workers)
    assert stack.series_count('{service_namespace="primes",service_name!="primes-loadtest"}') < processes * 1_500


def test_every_panel_has_data_while_people_are_at_it(stack: Stack, watched: Watched) -> None:
    """With the load test running, as all four dashboards are meant for."""
    options = telling(stack)
    arguments = ["light", "--host", watched.url, "--users", "12", "--run-time", "45s"]
    command = [sys.executable, "-m", "loadtest", *arguments, "--report", str(watched.api.log.parent / "loadtest")]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | options, stdout=subprocess.PIPE) as people:
        queries = every_query(RATE_INTERVAL)
        assert len(queries) > 100
        empty = [query for query in queries if not has_data(stack, query.expression)]
        try:
            deadline = time.monotonic() + 40
            while empty and time.monotonic() < deadline:
                empty = [query for query in empty if not has_data(stack, query.expression)]
            assert people.poll() is None, "the load test ended before all panels had data"
        finally:
            output, _ = people.communicate(timeout=90)
    assert empty == []
    assert people.returncode == 0, output.decode()


def has_data(stack: Stack, expression: str) -> bool:
    points = [value for series in stack.query(expression) for _, value in series.points]
    return any(not math.isnan(value) for value in points)


def test_every_rule_is_evaluated_and_no_alert_fires_without_a_cause(stack: Stack, watched: Watched) -> None:
    assert watched.load.jobs
    for rule in every_rule():
        found = stack.query(rule.expression)
        if rule.is_alert:
            assert found == [] or rule.name in MAY_FIRE, (rule.name, found)
    # Groups have intervals of their own.
    recordings = [rule.name for rule in every_rule() if not rule.is_alert and rule.name.endswith("5m")]
    wait_until(lambda: all(stack.query(name) for name in recordings), 100, lambda: str(recordings))


# Each client makes a mistake for each job, by which nothing of ours is broken; and workers that are kept busy are busy.
MAY_FIRE = frozenset({"WorkersBusy", "WorkersSaturated"})


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("ending", ["TERM", "QUIT"])
def test_counts_are_exact_after_a_shutdown(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, protocol: str, ending: str
) -> None:
    """By either protocol, with children that live for five tasks, which are then told to end warmly or coldly."""
    folder, service = tmp_path_factory.mktemp("short"), f"short-{ending}-{protocol.partition('/')[0]}".lower()
    options = telling(stack) | {"OTEL_SERVICE_NAME": service, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    if protocol == "grpc":
        options["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.otlp_grpc_endpoint
    jobs = 42
    with (
        programs.valkey(folder) as valkey,
        programs.api(folder, valkey.url, "short:") as (url, _),
        programs.worker(folder, valkey.url, "short:", 2, ["--max-tasks-per-child", "5"], **options) as worker,
    ):
        for _ in range(jobs):
            body = {"query": SUBMIT, "variables": {"input": {"count": 10}, "ms": 10_000}}
            answer = httpx.post(f"{url}/graphql", json=body, timeout=20).json()
            assert answer["data"]["generatePrimes"]["job"]["status"] == "SUCCEEDED"
        worker.process.send_signal(signal.Signals[f"SIG{ending}"])
        worker.process.wait(15)
    equals(stack, f'prime_task_duration_milliseconds_count{{service_name="{service}"}}', jobs)
    equals(stack, f'job_duration_seconds_count{{service_name="{service}"}}', jobs)
    equals(stack, f'prime_computed_total{{service_name="{service}"}}', jobs * 10)


def test_a_job_is_one_trace_though_a_worker_is_killed(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five segments on two workers, of which one is killed in the middle of its work: all attempts are in one tree."""
    folder = tmp_path_factory.mktemp("killed")
    options = telling(stack) | {"LEASE_SECONDS": "1"}
    # Up there a segment takes a part of a second: time to be killed in.
    start, count = 10**15, 5 * 2**20
    with (
        programs.valkey(folder) as valkey,
        programs.api(folder, valkey.url, "killed:", **options) as (url, _),
        programs.worker(folder, valkey.url, "killed:", 1, **options),
        programs.worker(folder, valkey.url, "killed:", 1, **options) as victim,
    ):
        body: dict[str, Any] = {"query": SUBMIT, "variables": {"input": {"count": count, "start": start}, "ms": 0}}
        job = httpx.post(f"{url}/graphql", json=body).json()["data"]["generatePrimes"]["job"]
        child = psutil.Process(victim.process.pid).children()[0]
        before = child.cpu_times().user
        wait_until(lambda: child.cpu_times().user > before + 0.05)
        victim.kill()
        answer = httpx.get(f"{url}/status/{job['id']}", headers={"Prefer": "wait=60"}, timeout=70)
        assert answer.json()["status"] == "complete"

        def whole() -> bool:
            names = Counter(span["operationName"] for span in stack.trace(job["traceId"]))
            return names["job"] == 1 and names["attempt lost"] >= 1 and names["process large"] >= 5

        wait_until(whole, 30, lambda: tree(stack.trace(job["traceId"])))
    with capsys.disabled():
        sys.stdout.write(f"\n{tree(stack.trace(job['traceId']))}\n")
    spans = stack.trace(job["traceId"])
    outcomes = Counter(tags(span).get("task.outcome") for span in spans if span["operationName"] == "process large")
    assert outcomes["done"] == 5
    [end] = [span for span in spans if span["operationName"] == "job"]
    assert tags(end)["job.status"] == "SUCCEEDED"
    ids = {span["spanID"] for span in spans}
    assert [span["operationName"] for span in spans if parent(span) not in ids] == ["mutation generatePrimes"]


def tags(span: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def parent(span: dict[str, Any]) -> str | None:
    of = [link["spanID"] for link in span["references"] if link["refType"] == "CHILD_OF"]
    return of[0] if of else None


def tree(spans: list[dict[str, Any]], root: str | None = None, depth: int = 0) -> str:
    """The spans as an indented list, in the order of their beginning."""
    ids = {span["spanID"] for span in spans}
    lines = []
    for span in sorted(spans, key=lambda span: span["startTime"]):
        above = parent(span)
        if (above if above in ids else None) == root:
            shown = {k: v for k, v in tags(span).items() if k in {"segment.index", "task.outcome", "job.status"}}
            line = f"{'  ' * depth}{span['operationName']} {span['duration'] / 1000:.1f} ms {shown or ''}"
            lines.append(line.rstrip())
            lines.append(tree(spans, span["spanID"], depth + 1))
    return "\n".join(filter(None, lines))
