"""The metrics store has exactly the counts of the clients, and no alert fires without a cause."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.telemetry import monitored_system
from tests.e2e.telemetry.monitored_system import PROCESSES, wait_for_sum
from tests.e2e.telemetry.stack import telemetry_stack
from tests.observability.queries import every_rule
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.telemetry.monitored_system import Load
    from tests.e2e.telemetry.stack import Stack

TURNS = 100

# Alerts that a busy but healthy system may fire.
MAY_FIRE = frozenset({"WorkersBusy", "WorkersSaturated"})

# Share of late jobs at the lowest burn rate that fires an alert.
LATE_SHARE = 6 * 0.01


@dataclass(frozen=True, slots=True)
class LoadedSystem:
    """A stack with nothing but the telemetry of one load, started at `started` (seconds since the epoch)."""

    stack: Stack
    load: Load
    started: float


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedSystem]:
    """The running system after its load. Tests compare counts, so no test may send to it or to its stack."""
    folder = tmp_path_factory.mktemp("loaded")
    with telemetry_stack(folder / "stack") as stack, monitored_system.monitored_system(stack, folder) as url:
        started = time.time()
        yield LoadedSystem(stack, monitored_system.run_load(url, TURNS), started)


def test_the_store_has_the_counts_of_the_clients(loaded: LoadedSystem) -> None:
    stack, load, api_labels = loaded.stack, loaded.load, 'service_name="primes-api"'
    wait_for_sum(stack, f"max by (job_queue) (job_submissions_total{{{api_labels},job_outcome='created'}})", load.jobs)
    wait_for_sum(stack, f"max by (job_queue) (job_finished_total{{{api_labels},job_status='SUCCEEDED'}})", load.jobs)
    wait_for_sum(stack, "job_duration_seconds_count{job_status='SUCCEEDED'}", load.jobs)
    wait_for_sum(stack, "prime_task_duration_milliseconds_count", load.jobs)
    wait_for_sum(stack, "messaging_process_duration_seconds_count{task_outcome='done'}", load.jobs)
    wait_for_sum(stack, "prime_computed_total", load.primes)
    for (route, status), count in load.requests.items():
        labels = f'http_route="{route}",http_response_status_code="{status}"'
        wait_for_sum(stack, f"http_server_request_duration_seconds_count{{{labels}}}", count)
    # Half of the jobs by GraphQL, and one invalid request of each kind per job.
    submitted, operations = load.jobs / 2, "graphql_server_operation_duration_seconds_count"
    wait_for_sum(stack, f"{operations}{{graphql_root_field='generatePrimes',error_type=''}}", submitted)
    wait_for_sum(stack, f"{operations}{{graphql_root_field='generatePrimes',error_type='ValidationError'}}", submitted)
    wait_for_sum(stack, f"{operations}{{graphql_root_field='_invalid',error_type='INVALID'}}", submitted)
    wait_for_sum(
        stack, "graphql_server_subscription_duration_seconds_count{graphql_root_field='jobUpdates'}", submitted
    )


def test_rates_have_the_right_order_of_magnitude(loaded: LoadedSystem) -> None:
    """The increase over the time of the load is about the number of requests, jobs and primes."""
    stack, load = loaded.stack, loaded.load
    # Wait until everything has arrived.
    wait_for_sum(stack, "prime_computed_total", load.primes)
    wait_for_sum(stack, "http_server_request_duration_seconds_count", sum(load.requests.values()))
    window = f"{math.ceil(time.time() - loaded.started) + 30}s"
    for expression, expected in (
        (f"sum(increase(http_server_request_duration_seconds_count[{window}]))", sum(load.requests.values())),
        (f"sum(max by (job_queue) (increase(job_finished_total[{window}])))", load.jobs),
        (f"sum(increase(prime_computed_total[{window}]))", load.primes),
    ):
        [found] = stack.query(expression)
        assert expected / 2 < found.value < expected * 2, expression


def test_the_number_of_series_is_bounded(loaded: LoadedSystem) -> None:
    """Each process has about twenty metrics; histograms have a series per bucket and combination of attributes."""
    assert loaded.load.jobs
    assert 0 < loaded.stack.series_count('{service_namespace="primes"}') < PROCESSES * 1_500


def test_every_rule_is_evaluated_and_no_alert_fires_without_a_cause(loaded: LoadedSystem) -> None:
    # Alerts about missing metrics fire until each process has exported once.
    for name in ("job_capacity", "otelcol_exporter_queue_capacity"):
        wait_for_sum(loaded.stack, f"count({name}) > bool 0", 1)
    wait_for_sum(loaded.stack, "prime_computed_total", loaded.load.primes)
    for rule in every_rule():
        found = loaded.stack.query(rule.expression)
        if rule.is_alert:
            assert found == [] or rule.name in may_fire(loaded.load), (rule.name, found)
    # Rule groups have their own intervals.
    recordings = [rule.name for rule in every_rule() if not rule.is_alert and rule.name.endswith("5m")]
    wait_until(lambda: all(loaded.stack.query(name) for name in recordings), 100, lambda: str(recordings))


def may_fire(load: Load) -> frozenset[str]:
    """Alerts about late jobs may fire if the clients measured late jobs too, as on a busy machine."""
    return MAY_FIRE | ({"JobsLateFast", "JobsLateSlow"} if load.late_share > LATE_SHARE else set())
