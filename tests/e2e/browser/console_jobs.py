"""A job system without a worker, for the console: the tests make progress themselves, one segment at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

from tasks.jobs import FailureReason
from tests.tasks.keys import fake_result

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Route

    from tasks.worker.job_recorder import JobRecorder
    from tests.e2e.browser.console_page import ConsolePage

SUBMIT = """mutation ($count: Int!) {
  generatePrimes(input: {count: $count}) { ... on GeneratePrimesAccepted { job { id } } }
}"""
TOTAL = "{ jobs(first: 1) { totalCount } }"
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"

SEGMENT = 2**20


class Jobs:
    """The job system without a worker."""

    def __init__(self, url: str, recorder: JobRecorder) -> None:
        self.url = url
        self.recorder = recorder

    def data(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=30)
        return answer.json()["data"]

    def submit(self, count: int = 10) -> str:
        job_id: str = self.data(SUBMIT, count=count)["generatePrimes"]["job"]["id"]
        return job_id

    def total(self) -> int:
        total: int = self.data(TOTAL)["jobs"]["totalCount"]
        return total

    def cancel(self, job_id: str) -> None:
        self.data(CANCEL, id=job_id)

    def complete(self, job_id: str, index: int = 0) -> None:
        assert (claim := self.recorder.claim_segment(job_id, index)) is not None
        assert self.recorder.complete_segment(claim, fake_result())

    def fail(self, job_id: str) -> None:
        assert (claim := self.recorder.claim_segment(job_id, 0)) is not None
        assert self.recorder.fail_job(claim, FailureReason.TIMEOUT, "the job exceeded its time limit")


def is_operation(route: Route, name: str) -> bool:
    body = route.request.post_data
    return body is not None and json.loads(body).get("operationName") == name


def row(console: ConsolePage, job_id: str) -> Locator:
    return console.page.get_by_role("row").filter(has=console.page.locator(f'a[href="?job={job_id}"]'))
