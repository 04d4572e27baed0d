"""Ctrl-C in the client cancels the job, whatever it waits for."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import httpx

from tests.clients import data
from tests.gql.client.program import started
from tests.loadtest.tampering_proxy import tampering_proxy
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.conftest import System

# Would run for minutes.
LONG = ("90000000", "--start", str(10**15))


def test_ctrl_c_cancels_the_job(system: System) -> None:
    with started(system.url, *LONG) as client:
        job_id = running_job(system)
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
    assert (client.returncode, "Interrupted: the job was cancelled." in stderr) == (130, True)
    assert httpx.get(f"{system.url}/status/{job_id}").json()["status"] == "cancelled"


def test_ctrl_c_before_the_response_to_the_submission_cancels_the_job(system: System) -> None:
    released, held = threading.Event(), threading.Event()

    def hold_first(data: bytes) -> bytes:
        if not held.is_set():
            held.set()
            released.wait(60)
        return data

    with tampering_proxy(system.url, hold_first) as url, started(url, *LONG) as client:
        job_id = running_job(system)
        assert held.wait(20)
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
        released.set()
    assert (client.returncode, "Interrupted: the job was cancelled." in stderr) == (130, True)
    assert httpx.get(f"{system.url}/status/{job_id}").json()["status"] == "cancelled"


def test_ctrl_c_without_a_response_reports_that_the_job_may_still_be_running(system: System) -> None:
    blocked = threading.Event()

    def disconnect(data: bytes) -> bytes:
        if blocked.is_set():
            raise ConnectionResetError
        return data

    with tampering_proxy(system.url, disconnect) as url, started(url, *LONG) as client:
        job_id = running_job(system)
        blocked.set()
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
    data(system, "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=job_id)
    assert client.returncode == 1
    assert "Interrupted, but not cancelled" in stderr
    assert "may still be running." in " ".join(stderr.split())


def running_job(system: System) -> str:
    """The id of the job of the started client, once it runs."""
    found: list[dict[str, Any]] = []

    def is_running() -> bool:
        query = "{ jobs(first: 1, filter: {statuses: [RUNNING]}) { edges { node { id count } } } }"
        found[:] = data(system, query)["jobs"]["edges"]
        return [job["node"]["count"] for job in found] == [90_000_000]

    wait_until(is_running)
    job_id: str = found[0]["node"]["id"]
    return job_id
