"""What the store says of a busy system is what its clients saw: to the last job, and no alert without a cause."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.telemetry import watched
from tests.e2e.telemetry.stack import telemetry_stack
from tests.e2e.telemetry.watched import PROCESSES, equals
from tests.observability.queries import every_rule
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.telemetry.stack import Stack
    from tests.e2e.telemetry.watched import Load

TURNS = 100

# Each client makes a mistake for each job, by which nothing of ours is broken; and workers that are kept busy are busy.
MAY_FIRE = frozenset({"WorkersBusy", "WorkersSaturated"})

# The least burn rate that an alert is about, of the share of late jobs that is allowed.
LATE_SHARE = 6 * 0.01


@dataclass(frozen=True, slots=True)
class Counted:
    """A stack to which nothing was ever sent but what a load caused, all of it since `begun` (seconds of the epoch)."""

    stack: Stack
    load: Load
    begun: float


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    """A system after its load, still running. Tests compare counts: so none sends anything to it or to its stack."""
    folder = tmp_path_factory.mktemp("counted")
    with telemetry_stack(folder / "stack") as stack, watched.watched_system(stack, folder) as url:
        begun = time.time()
        yield Counted(stack, watched.load(url, TURNS), begun)


def test_the_store_has_counted_what_the_clients_have(counted: Counted) -> None:
    stack, load, of_api = counted.stack, counted.load, 'service_name="primes-api"'
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


def test_rates_are_of_the_right_order(counted: Counted) -> None:
    """What a panel shows over the time of the load, times that time, is what was done."""
    stack, load = counted.stack, counted.load
    # All of it must have arrived.
    equals(stack, "prime_computed_total", load.primes)
    equals(stack, "http_server_request_duration_seconds_count", sum(load.requests.values()))
    window = f"{math.ceil(time.time() - counted.begun) + 30}s"
    for expression, expected in (
        (f"sum(increase(http_server_request_duration_seconds_count[{window}]))", sum(load.requests.values())),
        (f"sum(max by (job_queue) (increase(job_finished_total[{window}])))", load.jobs),
        (f"sum(increase(prime_computed_total[{window}]))", load.primes),
    ):
        [found] = stack.query(expression)
        assert expected / 2 < found.value < expected * 2, expression


def test_series_are_bounded(counted: Counted) -> None:
    """Per process: some twenty metrics, and of histograms a series for each bucket and combination of words."""
    assert counted.load.jobs
    assert 0 < counted.stack.series_count('{service_namespace="primes"}') < PROCESSES * 1_500


def test_every_rule_is_evaluated_and_no_alert_fires_without_a_cause(counted: Counted) -> None:
    # Alerts of silence fire, and are right to, until each process has told something once.
    for received in ("job_capacity", "otelcol_exporter_queue_capacity"):
        equals(counted.stack, f"count({received}) > bool 0", 1)
    equals(counted.stack, "prime_computed_total", counted.load.primes)
    for rule in every_rule():
        found = counted.stack.query(rule.expression)
        if rule.is_alert:
            assert found == [] or rule.name in may_fire(counted.load), (rule.name, found)
    # Groups have intervals of their own.
    recordings = [rule.name for rule in every_rule() if not rule.is_alert and rule.name.endswith("5m")]
    wait_until(lambda: all(counted.stack.query(name) for name in recordings), 100, lambda: str(recordings))


def may_fire(load: Load) -> frozenset[str]:
    """On a machine that was busy with something else, jobs were late in truth: but then the clients saw it too."""
    return MAY_FIRE | ({"JobsLateFast", "JobsLateSlow"} if load.late_share > LATE_SHARE else set())
