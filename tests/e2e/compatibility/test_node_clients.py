"""JavaScript clients over each of their transports, against a running system."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests import programs
from tests.programs import free_port, paused
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import System
    from tests.programs import Valkey

    Scenario = Callable[..., Any]

# The first test may have to install the packages.
pytestmark = pytest.mark.timeout(240)

CLIENTS = ["graphql-ws", "graphql-sse", "apollo-http", "apollo-ws", "urql-http", "urql-ws"]
# They send the hash of a query first, over HTTP or by WebSocket.
HASHING_CLIENTS = ["apollo-hashes", "urql-hashes", "urql-ws-hashes"]
TWENTY_FIVE = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97]
# Node starts in half a second, and does not exit while a client keeps a connection or timer.
SCENARIO_SECONDS = 90


@pytest.fixture(params=CLIENTS)
def run_scenario(request: pytest.FixtureRequest, clients: Path, system: System) -> Scenario:
    """Runs one scenario with one client. Returns what the scenario printed."""
    return scenarios(request.param, clients, system)


@pytest.fixture(params=HASHING_CLIENTS)
def run_with_hashes(request: pytest.FixtureRequest, clients: Path, system: System) -> Scenario:
    return scenarios(request.param, clients, system)


def scenarios(client: str, clients: Path, system: System) -> Scenario:
    def run(name: str, *, worker_runs: bool = True) -> Any:
        command = ["node", "scenarios.mjs", client, name, system.graphql]
        with nullcontext() if worker_runs else paused(system.worker):
            done = subprocess.run(
                command, cwd=clients, capture_output=True, text=True, timeout=SCENARIO_SECONDS, check=False
            )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return run


def plain(job: dict[str, Any]) -> dict[str, Any]:
    """Without the type names that some clients request by default."""
    return {
        name: plain(value) if isinstance(value, dict) else value for name, value in job.items() if name != "__typename"
    }


def subscribers(url: str) -> int:
    """Number of open subscriptions on an API process."""
    response = httpx.post(f"{url}/graphql", json={"query": "{ system { subscribers } }"}, timeout=10).json()
    count: int = response["data"]["system"]["subscribers"]
    return count


def test_client_submits_and_follows_to_the_final_state(run_scenario: Scenario) -> None:
    received = run_scenario("follow")
    assert received["submitted"]["outcome"] == "CREATED"
    updates = [update["job"] for update in received["updates"]]
    versions = [job["version"] for job in updates]
    assert versions == sorted(set(versions))
    assert [job["isFinal"] for job in updates] == [False] * (len(updates) - 1) + [True]
    assert updates[-1]["status"] == "SUCCEEDED"
    assert plain(updates[-1])["progress"] == {"done": 10, "total": 10}
    # A late subscriber receives the final state, and the cache of the client holds the same.
    assert [update["job"] for update in received["again"]] == updates[-1:]
    assert plain(received["job"]) == plain(received["cached"]) == plain(updates[-1])


def test_client_that_sends_hashes_goes_on_with_queries_after_the_first(run_with_hashes: Scenario) -> None:
    received = run_with_hashes("follow")
    assert received["hashes"] == 1
    assert received["submitted"]["outcome"] == "CREATED"
    assert received["updates"][-1]["job"]["status"] == "SUCCEEDED"
    assert plain(received["job"]) == plain(received["updates"][-1]["job"])


def test_client_pages_forwards_and_backwards(run_scenario: Scenario) -> None:
    assert run_scenario("page") == {
        "forwards": [TWENTY_FIVE[:10], TWENTY_FIVE[10:20], TWENTY_FIVE[20:]],
        "backwards": [TWENTY_FIVE[:5], TWENTY_FIVE[5:15], TWENTY_FIVE[15:]],
    }


def test_client_cancels_the_job_that_it_follows(run_scenario: Scenario) -> None:
    received = run_scenario("cancel", worker_runs=False)
    assert received["cancelled"]["__typename"] == "CancelJobAccepted"
    assert [update["job"]["status"] for update in received["updates"]] == ["QUEUED", "CANCELLED"]
    assert received["again"]["code"] == "JOB_ALREADY_FINISHED"
    assert (
        plain(received["again"]["job"]) == plain(received["cancelled"]["job"]) == plain(received["updates"][-1]["job"])
    )


def test_client_streams_the_values_without_gap_or_repetition(run_scenario: Scenario) -> None:
    batches = run_scenario("stream")
    values = [value for batch in batches for value in batch["values"]]
    assert (len(values), values[:3], values[-1]) == (2495, [13, 17, 19], 22_307)
    assert values == sorted(set(values))
    assert [batch["isLast"] for batch in batches] == [False] * (len(batches) - 1) + [True]


def test_client_receives_an_unknown_job_as_data_and_the_stream_completes(run_scenario: Scenario) -> None:
    assert [event["__typename"] for event in run_scenario("unknown")] == ["JobNotFound"]


def test_client_receives_a_refusal_as_data(run_scenario: Scenario) -> None:
    refusal = run_scenario("refused")
    assert (refusal["code"], refusal["retryable"]) == ("VALIDATION", False)
    assert refusal["issues"][0]["path"] == ["input", "count"]


def test_subscription_of_a_client_that_leaves_is_removed(run_scenario: Scenario, system: System) -> None:
    wait_until(lambda: subscribers(system.url) == 0)
    assert run_scenario("leave", worker_runs=False)["job"]["status"] == "QUEUED"
    wait_until(lambda: subscribers(system.url) == 0)


@pytest.mark.parametrize("client", ["graphql-ws", "graphql-sse"])
def test_client_resumes_by_itself_after_its_server_was_killed_and_restarted(
    client: str, clients: Path, valkey: Valkey, prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    with ExitStack() as running:
        with programs.api(tmp_path, valkey.url, prefix, port) as (url, api):
            job_id = httpx.post(f"{url}/generate", params={"n": 10}).json()["request_id"]
            command = ["node", str(clients / "scenarios.mjs"), client, "resume", f"{url}/graphql", job_id]
            follower = running.enter_context(programs.running(command, tmp_path, lambda: True))
            wait_until(lambda: follower.output().count("QUEUED") == 1, explain=follower.output)
            api.kill()
        with programs.api(tmp_path, valkey.url, prefix, port):
            wait_until(lambda: follower.output().count("QUEUED") == 2, explain=follower.output)
            with programs.worker(tmp_path, valkey.url, prefix):
                assert follower.process.wait(SCENARIO_SECONDS) == 0, follower.output()
    *events, end = map(json.loads, follower.output().splitlines())
    assert events[-1]["job"]["status"] == "SUCCEEDED"
    assert end == "complete"
