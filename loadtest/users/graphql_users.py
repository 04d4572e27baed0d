"""People who speak GraphQL: submit, follow over a WebSocket or an event stream, read a page; some change their mind."""

from __future__ import annotations

import time
from abc import abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from locust import task

from loadtest import job_sizes
from loadtest.measurements import Kind
from loadtest.users import operations
from loadtest.users.expected_primes import wrong_page
from loadtest.users.final_events import FinalAccount, Violation
from loadtest.users.operations import OperationFailed
from loadtest.users.streams import Socket, StreamBroken, event_stream
from loadtest.users.user import GIVE_UP_SECONDS, SimulatedUser, body

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from locust.env import Environment

    from loadtest.users.final_events import Update

CANCELLING_SHARE = 0.05

# How often a subscription is made again after a lost connection.
MOST_STREAMS = 4

# An event is lost when its job has been final for so long and nothing came.
EVENT_GRACE_SECONDS = 3


class GraphqlUser(SimulatedUser):
    """Knows the journey; how to follow is left to the two kinds below."""

    abstract = True
    transport: str

    @abstractmethod
    def updates(self, job_id: str, after: int | None) -> Iterator[Update | None]:
        """What one stream gives; None now and then while there is nothing."""

    @task
    def ask_for_primes(self) -> None:
        """Submit, perhaps cancel, follow to the end, and read a page."""
        size = job_sizes.choose(self.random, huge=self.wants_huge)
        count, start = size.count(self.random), job_sizes.start(self.random)
        begun = time.perf_counter()
        if (job_id := self.submit(count, start)) is None:
            return
        expected = "SUCCEEDED"
        if self.random.random() < CANCELLING_SHARE and self.cancel(job_id):
            expected = "CANCELLED"
        final = self.follow(job_id)
        if final is None:
            self.gave_up(size, begun)
        elif self.job_done(size, begun, final.arrived, final.status, expected) and expected == "SUCCEEDED":
            self.read_page(job_id, self.right(count, start))

    def submit(self, count: int, start: int) -> str | None:
        """The new job's id; None when there is none."""
        outcome = self.operation(
            "generatePrimes", operations.SUBMIT, {"input": {"count": count, "start": start}}, "GeneratePrimesAccepted"
        )
        return outcome["job"]["id"] if outcome else None

    def cancel(self, job_id: str) -> bool:
        """Whether the job ended by this. That it was faster is no failure."""
        outcome = self.operation(
            "cancelJob", operations.CANCEL, {"id": job_id}, "CancelJobAccepted", "JobAlreadyFinished"
        )
        return outcome is not None and outcome["__typename"] == "CancelJobAccepted"

    def follow(self, job_id: str) -> Update | None:
        """The final update; None when none came. Counts what should not be."""
        account = FinalAccount(job_id)
        for _ in range(MOST_STREAMS):
            subscribed = time.perf_counter()
            failure: Exception | None = None
            account.stream_opened()
            try:
                first = self.read_stream(account)
            except (StreamBroken, OperationFailed) as error:
                failure, first = error, time.perf_counter()
            self.told(self.transport, f"{self.transport} jobUpdates", first - subscribed, failure)
            if failure is None or account.final is not None:
                break
        for violation in account.violations:
            self.violated(violation, f"over {self.transport}")
        final = account.final
        if final is not None and final.finished_at is not None and account.final_was_live:
            self.told(Kind.LAG, "final event", max(0.0, (final.arrived_at - final.finished_at).total_seconds()))
        return final

    def read_stream(self, account: FinalAccount) -> float:
        """Follow one stream to its end. Returns when its first event arrived."""
        first = 0.0
        ended: float | None = None
        heard = time.perf_counter()
        give_up = heard + GIVE_UP_SECONDS
        for update in self.updates(account.job_id, account.version):
            now = time.perf_counter()
            if update is not None:
                first = first or update.arrived
                heard = now
                account.saw(update)
            elif now - heard < EVENT_GRACE_SECONDS:
                # A ping, or another sign of life, among the events.
                continue
            elif account.final is not None:
                raise StreamBroken("not completed after the final event")
            elif ended is None:
                ended = now if self.is_final(account.job_id) else None
            elif now - ended > EVENT_GRACE_SECONDS:
                account.known_to_be_final()
                return first or now
            if now > give_up:
                return first or now
        account.stream_completed()
        return first or time.perf_counter()

    def is_final(self, job_id: str) -> bool:
        """What the record says, asked when a stream has been silent."""
        job = (self.ask("job", operations.STATE, {"id": job_id}) or {}).get("job")
        return bool(job and job["isFinal"])

    def read_page(self, job_id: str, expected: Sequence[int]) -> None:
        """A page at a random offset, as big as a page may be; all that it tells must be right."""
        offset = self.random.randrange(len(expected))
        size = min(operations.LARGEST_PAGE, len(expected))
        index = self.random.randrange(len(expected))
        variables = {"id": job_id, "offset": offset, "size": size, "index": index}
        if (found := self.ask("job page", operations.PAGE, variables)) is None:
            return
        result = (found.get("job") or {}).get("result") or {}
        right = {"available": len(expected), "first": expected[0], "last": expected[-1], "at": expected[index]}
        wrong = next((name for name, value in right.items() if result.get(name) != value), None)
        wrong = wrong or wrong_page(expected, offset, size, (result.get("primes") or {}).get("values"))
        if wrong:
            self.violated(Violation.WRONG_RESULT, f"GraphQL: {wrong}")

    def operation(self, field: str, document: str, variables: dict[str, Any], *expected: str) -> dict[str, Any] | None:
        """The outcome of a mutation if it is of an expected type; else a failure is counted, named by its type."""
        found = self.ask(field, document, variables, *expected)
        return found[field] if found else None

    def ask(self, name: str, document: str, variables: dict[str, Any], *expected: str) -> dict[str, Any] | None:
        """The data of an answer; None when it failed, whatever the status of HTTP said."""
        payload = {"query": document, "variables": variables}
        with self.client.post("/graphql", json=payload, name=f"GraphQL {name}", catch_response=True) as response:
            if response.status_code != HTTPStatus.OK:
                # Locust knows best what went wrong with a connection, and what a status means.
                return None
            try:
                found = operations.data(body(response))
                if expected:
                    operations.accepted(found[name], *expected)
            except OperationFailed as failure:
                response.failure(failure)
                return None
            return found


class GraphqlOverWebSocket(GraphqlUser):
    """Keeps one socket for all jobs."""

    weight = 4
    transport = "WS"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.socket = Socket(f"{self.host}/graphql", self.authorization)

    def updates(self, job_id: str, after: int | None) -> Iterator[Update | None]:
        """Over the socket."""
        return self.socket.updates(job_id, after)

    def on_stop(self) -> None:
        """Close the socket."""
        self.socket.close()


class GraphqlOverEventStream(GraphqlUser):
    """Follows each job over a response of its own."""

    weight = 3
    transport = "SSE"

    def updates(self, job_id: str, after: int | None) -> Iterator[Update | None]:
        """Over an event stream."""
        return event_stream(self.client, job_id, after)
