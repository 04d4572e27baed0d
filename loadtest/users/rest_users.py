"""People who use the earlier API's two doors: generate, then ask for the status until it is there."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any

from locust import task

from loadtest import job_sizes
from loadtest.users.expected_primes import wrong_list
from loadtest.users.final_events import Violation
from loadtest.users.user import GIVE_UP_SECONDS, SimulatedUser, body

# Between two looks; the last one again and again. What is measured is at most this much too long.
POLL_SECONDS = (0.025, 0.05, 0.1)

_STATUS = {"complete": "SUCCEEDED", "failed": "FAILED", "cancelled": "CANCELLED"}


class RestUser(SimulatedUser):
    """Never asks for a huge job: its status would be a text of megabytes."""

    weight = 3

    @task
    def ask_for_primes(self) -> None:
        """Generate, poll, and check all of the result."""
        size = job_sizes.choose(self.random, huge=False)
        count = size.count(self.random)
        begun = time.perf_counter()
        answer = self.answer("POST", f"/generate?n={count}", "REST /generate")
        if answer is None:
            return
        end = self.poll(answer["request_id"], begun + GIVE_UP_SECONDS)
        if end is None:
            self.gave_up(size, begun)
            return
        arrived = time.perf_counter()
        if not self.job_done(size, begun, arrived, _STATUS.get(end["status"], end["status"]), "SUCCEEDED"):
            return
        if wrong := wrong_list(self.right(count, 2), end["result"]):
            self.violated(Violation.WRONG_RESULT, f"REST: {wrong}")

    def poll(self, request_id: str, until: float) -> dict[str, Any] | None:
        """The first status that is not pending; None when there is none in time, or no answer."""
        looks = 0
        while time.perf_counter() < until:
            time.sleep(POLL_SECONDS[min(looks, len(POLL_SECONDS) - 1)])
            looks += 1
            status = self.answer("GET", f"/status/{request_id}", "REST /status/{request_id}")
            if status is None or status["status"] != "pending":
                return status
        return None

    def answer(self, method: str, path: str, name: str) -> dict[str, Any] | None:
        """The JSON of an answer; None when it failed."""
        with self.client.request(method, path, name=name, catch_response=True) as response:
            if response.status_code != HTTPStatus.OK:
                if response.status_code:
                    response.failure(f"HTTP {response.status_code}")
                return None
            found = body(response)
            if not isinstance(found, dict):
                response.failure("not a JSON object")
                return None
            return found
