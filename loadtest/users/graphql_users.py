"""Users of the GraphQL API: submit, follow by WebSocket or Server-Sent Events, read a page; some cancel their job."""

from __future__ import annotations

import time
from abc import abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from locust import task

from loadtest import job_sizes
from loadtest.measurements import Measurement, Violation
from loadtest.users import operations
from loadtest.users.expected_primes import page_error
from loadtest.users.final_events import FinalEventTracker
from loadtest.users.operations import OperationError
from loadtest.users.streams import Socket, StreamError, event_stream
from loadtest.users.user import JOB_TIMEOUT_SECONDS, SimulatedUser, json_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from locust.env import Environment

    from loadtest.users.final_events import Update

# Share of jobs that are cancelled after submission.
CANCEL_SHARE = 0.05

# Subscriptions for one job: the first one, and reconnects after lost connections.
MAX_SUBSCRIPTIONS = 4

# An event counts as lost this many seconds after the job became final.
EVENT_GRACE_SECONDS = 3


class GraphqlUser(SimulatedUser):
    """One job from submission to result. Subclasses choose the subscription transport."""

    abstract = True
    transport: str

    @abstractmethod
    def updates(self, job_id: str, after: int | None) -> Iterator[Update | None]:
        """The events of one subscription; yields None from time to time while no event arrives."""

    @task
    def run_job(self) -> None:
        """Submit, perhaps cancel, follow to the final state, and read a page."""
        size = job_sizes.choose(self.random, include_huge=self.include_huge)
        count, start = size.random_count(self.random), job_sizes.random_start(self.random)
        started = time.perf_counter()
        if (job_id := self.submit(count, start)) is None:
            return
        expected = "SUCCEEDED"
        if self.random.random() < CANCEL_SHARE and self.cancel(job_id):
            expected = "CANCELLED"
        final = self.follow(job_id)
        if final is None:
            self.record_unfinished_job(size, started)
        elif self.record_job(size, started, final.arrived, final.status, expected) and expected == "SUCCEEDED":
            self.read_page(job_id, self.expected_primes(count, start))

    def submit(self, count: int, start: int) -> str | None:
        """The id of the new job; None when the submission failed."""
        payload = self.mutate(
            "generatePrimes", operations.SUBMIT, {"input": {"count": count, "start": start}}, "GeneratePrimesAccepted"
        )
        return payload["job"]["id"] if payload else None

    def cancel(self, job_id: str) -> bool:
        """Whether the cancellation took effect. A job that finished before is not a failure."""
        payload = self.mutate("cancelJob", operations.CANCEL, {"id": job_id}, "CancelJobAccepted", "JobAlreadyFinished")
        return payload is not None and payload["__typename"] == "CancelJobAccepted"

    def follow(self, job_id: str) -> Update | None:
        """The final update; None when none arrived. Records violations and the event lag."""
        tracker = FinalEventTracker(job_id)
        for _ in range(MAX_SUBSCRIPTIONS):
            subscribed = time.perf_counter()
            failure: Exception | None = None
            tracker.stream_opened()
            try:
                first = self.read_stream(tracker)
            except (StreamError, OperationError) as error:
                failure, first = error, time.perf_counter()
            self.record(self.transport, f"{self.transport} jobUpdates", first - subscribed, failure)
            if failure is None or tracker.final is not None:
                break
        for violation in tracker.violations:
            self.record_violation(violation, f"over {self.transport}")
        final = tracker.final
        if final is not None and final.finished_at is not None and tracker.final_was_live:
            lag = max(0.0, (final.arrived_at - final.finished_at).total_seconds())
            self.record(Measurement.LAG, "final event", lag)
        return final

    def read_stream(self, tracker: FinalEventTracker) -> float:
        """Read one stream to its end. Returns the arrival time of its first event."""
        first = 0.0
        final_since: float | None = None
        last_event = time.perf_counter()
        deadline = last_event + JOB_TIMEOUT_SECONDS
        for update in self.updates(tracker.job_id, tracker.version):
            now = time.perf_counter()
            if update is not None:
                first = first or update.arrived
                last_event = now
                tracker.received(update)
            elif now - last_event < EVENT_GRACE_SECONDS:
                # A ping or keep-alive between events.
                continue
            elif tracker.final is not None:
                raise StreamError("not completed after the final event")
            elif final_since is None:
                final_since = now if self.is_final(tracker.job_id) else None
            elif now - final_since > EVENT_GRACE_SECONDS:
                tracker.final_event_overdue()
                return first or now
            if now > deadline:
                return first or now
        tracker.stream_completed()
        return first or time.perf_counter()

    def is_final(self, job_id: str) -> bool:
        """Whether the job record is final. Queried when a stream has been silent."""
        job = (self.execute("job", operations.STATE, {"id": job_id}) or {}).get("job")
        return bool(job and job["isFinal"])

    def read_page(self, job_id: str, expected: Sequence[int]) -> None:
        """Read a page of the maximum size at a random offset and check every value in the response."""
        offset = self.random.randrange(len(expected))
        size = min(operations.MAX_PAGE_SIZE, len(expected))
        index = self.random.randrange(len(expected))
        variables = {"id": job_id, "offset": offset, "size": size, "index": index}
        if (data := self.execute("job page", operations.PAGE, variables)) is None:
            return
        result = (data.get("job") or {}).get("result") or {}
        fields = {"available": len(expected), "first": expected[0], "last": expected[-1], "at": expected[index]}
        error = next((f"wrong {name}" for name, value in fields.items() if result.get(name) != value), None)
        error = error or page_error(expected, offset, size, (result.get("primes") or {}).get("values"))
        if error:
            self.record_violation(Violation.WRONG_RESULT, f"GraphQL: {error}")

    def mutate(self, field: str, document: str, variables: dict[str, Any], *expected: str) -> dict[str, Any] | None:
        """The payload of a mutation if it has an expected type; otherwise None, and a failure with its type's name."""
        data = self.execute(field, document, variables, *expected)
        return data[field] if data else None

    def execute(self, name: str, document: str, variables: dict[str, Any], *expected: str) -> dict[str, Any] | None:
        """The data of a response; None when the operation failed, whatever the HTTP status."""
        payload = {"query": document, "variables": variables}
        with self.client.post("/graphql", json=payload, name=f"GraphQL {name}", catch_response=True) as response:
            if response.status_code != HTTPStatus.OK:
                # Locust records connection errors and HTTP statuses itself.
                return None
            try:
                data = operations.response_data(json_body(response))
                if expected:
                    operations.expect_type(data[name], *expected)
            except OperationError as failure:
                response.failure(failure)
                return None
            return data


class GraphqlOverWebSocket(GraphqlUser):
    """Keeps one WebSocket for all jobs."""

    weight = 4
    transport = "WS"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.socket = Socket(f"{self.host}/graphql", self.authorization)

    def updates(self, job_id: str, after: int | None) -> Iterator[Update | None]:
        """Subscribe over the socket."""
        return self.socket.updates(job_id, after)

    def on_stop(self) -> None:
        """Close the socket."""
        self.socket.close()


class GraphqlOverEventStream(GraphqlUser):
    """Opens one response of Server-Sent Events for each job."""

    weight = 3
    transport = "SSE"

    def updates(self, job_id: str, after: int | None) -> Iterator[Update | None]:
        """Subscribe by Server-Sent Events."""
        return event_stream(self.client, job_id, after)
