"""Each job has one trace, even when a worker is killed."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx

from tests import programs
from tests.e2e.telemetry.monitored_system import SUBMIT, telemetry_environment
from tests.waiting import wait_until

if TYPE_CHECKING:
    import pytest

    from tests.e2e.telemetry.stack import Stack

STATUS = "query Status($id: ID!) { job(id: $id) { ... on Job { status } } }"


def test_a_job_has_one_trace_even_if_a_worker_is_killed(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five segments, the first of which loses its worker while it is computed: all attempts are in one trace."""
    folder = tmp_path_factory.mktemp("killed")
    options = telemetry_environment(stack) | {"LEASE_SECONDS": "1"}
    # At this magnitude a segment takes long enough to kill the worker meanwhile.
    start, count = 10**15, 5 * 2**20
    with (
        programs.valkey(folder) as valkey,
        programs.api(folder, valkey.url, "killed:", **options) as (url, _),
        # The only worker, so the segment that makes the job RUNNING is in its hands.
        programs.worker(folder, valkey.url, "killed:", 1, **options) as killed,
    ):

        def graphql(query: str, variables: dict[str, Any]) -> Any:
            return httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}).json()["data"]

        job = graphql(SUBMIT, {"input": {"count": count, "start": start}, "ms": 0})["generatePrimes"]["job"]
        wait_until(lambda: graphql(STATUS, {"id": job["id"]})["job"]["status"] == "RUNNING")
        killed.kill()
        with programs.worker(folder, valkey.url, "killed:", 1, **options):
            answer = httpx.get(f"{url}/status/{job['id']}", headers={"Prefer": "wait=60"}, timeout=70)
            assert answer.json()["status"] == "complete"

        def is_complete() -> bool:
            names = Counter(span["operationName"] for span in stack.trace(job["traceId"]))
            return names["job"] == 1 and names["attempt lost"] >= 1 and names["process large"] >= 5

        wait_until(is_complete, explain=lambda: tree(stack.trace(job["traceId"])))
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
    """The spans as an indented list in order of start time."""
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
