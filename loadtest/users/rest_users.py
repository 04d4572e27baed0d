"""Users of the REST API: POST /generate, then poll GET /status/{request_id}."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

from locust import task

from loadtest import job_sizes
from loadtest.measurements import Violation
from loadtest.users.expected_primes import list_error
from loadtest.users.user import JOB_TIMEOUT_SECONDS, SimulatedUser, json_body

# Delays between polls; the last one repeats. A measured job duration is at most this much too long.
POLL_SECONDS = (0.025, 0.05, 0.1)

_STATUS = {"complete": "SUCCEEDED", "failed": "FAILED", "cancelled": "CANCELLED"}


class RestUser(SimulatedUser):
    """Submits no huge jobs: their status would be a response of megabytes."""

    weight = 3

    @task
    def run_job(self) -> None:
        """Submit a job, poll it and check the whole result."""
        size = job_sizes.choose(self.random, include_huge=False)
        count = size.random_count(self.random)
        started = time.perf_counter()
        accepted = self.request_json("POST", f"/generate?n={count}", "REST /generate")
        if accepted is None:
            return
        final = self.poll(accepted["request_id"], started + JOB_TIMEOUT_SECONDS)
        if final is None:
            self.record_unfinished_job(size, started)
            return
        arrived = time.perf_counter()
        status = _STATUS.get(final["status"], final["status"])
        if not self.record_job(size, started, arrived, status, "SUCCEEDED"):
            return
        if error := list_error(self.expected_primes(count, 2), final["result"]):
            self.record_violation(Violation.WRONG_RESULT, f"REST: {error}")

    def poll(self, request_id: str, deadline: float) -> dict[str, Any] | None:
        """The first status other than pending; None at the deadline or when a request failed."""
        polls = 0
        while time.perf_counter() < deadline:
            time.sleep(POLL_SECONDS[min(polls, len(POLL_SECONDS) - 1)])
            polls += 1
            status = self.request_json("GET", f"/status/{request_id}", "REST /status/{request_id}")
            if status is None or status["status"] != "pending":
                return status
        return None

    def request_json(self, method: str, path: str, name: str) -> dict[str, Any] | None:
        """The JSON object of a response; None when the request failed."""
        with self.client.request(method, path, name=name, catch_response=True) as response:
            if response.status_code != HTTPStatus.OK:
                if response.status_code:
                    response.failure(f"HTTP {response.status_code}")
                return None
            body = json_body(response)
            if not isinstance(body, dict):
                response.failure("not a JSON object")
                return None
            return body
