"""The whole load test: it passes on a correct system, and fails by the right criterion on a faulty one."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from tests import otlp, programs
from tests.loadtest.tampering_proxy import replace_padded, tampering_proxy
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loadtest.tampering_proxy import Tamper

# The scenario with the highest limit for latency, which other tests on the same machine increase.
TEN_USERS = ("stress", "--users", "10")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run and its reports."""

    code: int
    output: str
    summary: str
    # Requests and failures by name.
    counts: dict[str, tuple[int, int]]

    @property
    def failed_criteria(self) -> list[str]:
        return re.findall(r"^FAIL  (.*?)  ", self.summary, re.MULTILINE)


def load(url: str, folder: Path, *options: str, **environment: str) -> Run:
    command = [sys.executable, "-m", "loadtest", *options, "--host", url, "--report", str(folder)]
    finished = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=100
    )
    output = finished.stdout + finished.stderr
    assert (folder / "report.html").is_file(), output
    with (folder / "run_stats.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    counts = {row["Name"]: (int(row["Request Count"]), int(row["Failure Count"])) for row in rows}
    return Run(finished.returncode, output, (folder / "summary.txt").read_text(encoding="utf-8"), counts)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A separate system, since thousands of jobs would affect other tests."""
    folder = tmp_path_factory.mktemp("loaded")
    with (
        programs.valkey(folder) as valkey,
        programs.worker(folder, valkey.url, "loaded:"),
        programs.api(folder, valkey.url, "loaded:") as (url, _),
    ):
        yield url


def test_a_correct_system_passes(address: str, tmp_path: Path) -> None:
    run = load(address, tmp_path, *TEN_USERS, "--run-time", "15s", "--huge")
    assert run.code == 0, run.output
    assert run.summary in run.output
    assert run.summary.startswith("stress: PASSED")
    assert run.failed_criteria == []
    requests, failures = run.counts["Aggregated"]
    assert failures == 0
    # Ten users with a mean think time of two seconds run five jobs per second of at least three requests each.
    assert requests > 150
    assert sum(run.counts[size][0] for size in ("small", "medium", "large")) > 40
    assert run.counts.keys() >= {
        "GraphQL generatePrimes",
        "GraphQL job page",
        "WS jobUpdates",
        "SSE jobUpdates",
        "REST /generate",
        "REST /status/{request_id}",
        "final event",
    }


def test_two_processes_are_one_run_and_each_exports_its_own_metrics(address: str, tmp_path: Path) -> None:
    with otlp.receiver() as received:
        run = load(
            address,
            tmp_path,
            *("stress", "--users", "6", "--run-time", "8s", "--processes", "2"),
            OTEL_EXPORTER_OTLP_ENDPOINT=received.endpoint,
            OTEL_METRIC_EXPORT_INTERVAL="1000",
        )
    assert run.code == 0, run.output
    assert len(received.instances("primes-loadtest")) == 2
    # The master's counts equal the exported ones, so the final flush exported everything.
    for name in ("GraphQL generatePrimes", "WS jobUpdates", "REST /generate"):
        assert received.total("loadtest.request.duration", loadtest_request=name) == run.counts[name][0] > 0
    jobs = sum(run.counts[size][0] for size in ("small", "medium", "large") if size in run.counts)
    assert received.total("loadtest.job.duration") == jobs
    assert received.series_of("loadtest.users") == {frozenset({("loadtest.scenario", "stress")})}
    assert received.total("loadtest.users") == 0


def test_users_with_keys_are_authenticated_on_every_endpoint_and_others_on_none(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as valkey, programs.worker(tmp_path, valkey.url, "keys:"):
        environment = os.environ | {"REDIS_URL": valkey.url, "KEY_PREFIX": "keys:"}
        create = [sys.executable, "-m", "gql.keys", "create"]
        created = [
            subprocess.run([*create, name], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
            for name in ("first", "second")
        ]
        keys = [key for command in created for key in re.findall(r"primes_\S+", command.stdout)]
        assert len(set(keys)) == 2
        options = ("light", "--users", "8", "--run-time", "5s")
        with programs.api(tmp_path, valkey.url, "keys:", AUTHENTICATION="keys") as (address, _):
            run = load(address, tmp_path / "with", *options, LOADTEST_KEYS=",".join(keys))
            without_keys = load(address, tmp_path / "without", *options)
    # The first jobs of a new system may be slow, which does not matter here.
    assert [name for name in run.failed_criteria if name != "p95 submit to final"] == [], run.output
    assert all(run.counts[name][0] for name in ("WS jobUpdates", "SSE jobUpdates", "REST /status/{request_id}"))
    assert not [key for key in keys if key in run.output + (tmp_path / "with/report.html").read_text(encoding="utf-8")]
    assert without_keys.code == 1
    assert without_keys.counts["Aggregated"][0] == without_keys.counts["Aggregated"][1] > 0


def test_the_step_scenario_prints_the_capacity(address: str, tmp_path: Path) -> None:
    """Limited to one step of five users."""
    run = load(address, tmp_path, "step", "--users", "5")
    assert run.code == 0, run.output
    assert re.search(r"^Capacity: 5 users, [1-9][0-9.]* jobs/s at p95 \d+ ms or more", run.summary, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_run_prints_its_summary_and_fails(address: str, tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "loadtest", *TEN_USERS, "--host", address, "--report", str(tmp_path / "report")]
    program = programs.start(command, tmp_path, {})
    try:
        wait_until(lambda: " requests, 0 failures" in program.output(), explain=program.output)
        program.send(number)
        assert program.process.wait(60) == 1
    finally:
        if program.process.poll() is None:
            program.kill()
    assert program.output().count("stress: FAILED") == 1
    assert re.findall(r"^FAIL  (.*?)  ", program.output(), re.MULTILINE) == ["run completed"]


def test_a_run_that_loses_processes_is_broken(address: str, tmp_path: Path) -> None:
    options = ["light", "--users", "6", "--run-time", "20s", "--processes", "3"]
    command = [sys.executable, "-m", "loadtest", *options, "--host", address, "--report", str(tmp_path / "report")]
    program = programs.start(command, tmp_path, {})
    try:
        wait_until(lambda: " requests, 0 failures" in program.output(), explain=program.output)
        killed, frozen, _ = psutil.Process(program.process.pid).children()
        killed.kill()
        frozen.suspend()
        assert program.process.wait(60) == 2, program.output()
    finally:
        if program.process.poll() is None:
            program.kill()
    assert program.output().count("light: BROKEN") == 1
    assert re.search("^FAIL  processes reporting +1   required >= 3$", program.output(), re.MULTILINE)


# Negative controls: the same system behind a proxy that tampers with its responses


def wrong_prime(data: bytes) -> bytes:
    """Change the first digit of the first prime in GraphQL pages, and the prime 3 in REST results."""
    data = re.sub(rb'"values":\[\d', lambda match: match[0][:-1] + (b"1" if match[0][-1:] != b"1" else b"2"), data)
    return data.replace(b'"result":[2,3,', b'"result":[2,4,')


def no_final(data: bytes) -> bytes:
    """Replace the final state by RUNNING; the stream then completes."""
    return replace_padded(
        rb'"status":"(SUCCEEDED|CANCELLED)","isFinal":true', rb'"status":"RUNNING","isFinal":false', data
    )


def no_end_of_stream(data: bytes) -> bytes:
    """Drop the final event and the completion on WebSockets."""
    is_end = b'"isFinal":true' in data or b'"type":"complete"' in data
    return b"" if is_end and data[:1] == b"\x81" else data


def final_twice(data: bytes) -> bytes:
    """Repeat the final event, as a frame or as a chunk of an event stream."""
    if data[:1] == b"\x81" and b'"isFinal":true' in data:
        return data + data
    chunk = rb'[0-9a-f]+\r\nevent: next\ndata: [^\n]*"isFinal":true[^\n]*\n\n\r\n'
    return re.sub(chunk, lambda match: match[0] + match[0], data)


def queue_full(data: bytes) -> bytes:
    """Replace the accepted job by a typed error."""
    return replace_padded(rb'"__typename":"GeneratePrimesAccepted"', rb'"__typename":"QueueFull"', data)


def error_in_a_200(data: bytes) -> bytes:
    """Replace the data by an error."""
    return replace_padded(rb'\{"data":\{"generatePrimes".*\}\}\}\}', rb'{"errors":[{"message":"boom 1234"}]}', data)


def disconnect(data: bytes) -> bytes:
    """Close the connection instead of sending the final event."""
    if b'"isFinal":true' in data:
        raise ConnectionResetError
    return data


def test_a_proxy_that_changes_nothing_passes(address: str, tmp_path: Path) -> None:
    with tampering_proxy(address, bytes) as url:
        run = load(url, tmp_path, *TEN_USERS, "--run-time", "4s")
    assert run.code == 0, run.output


@pytest.mark.parametrize(
    ("tamper", "failed_criteria", "details"),
    [
        (
            wrong_prime,
            ["wrong_result"],
            ["GraphQL: page: wrong first prime", "REST: wrong prime between first and last"],
        ),
        (no_final, ["failures", "lost_final"], ["over WS", "over SSE"]),
        (no_end_of_stream, ["failures", "lost_final"], ["over WS"]),
        (final_twice, ["repeated_final"], ["over WS", "over SSE"]),
        (queue_full, ["failures"], ["GraphQL generatePrimes: ", "QueueFull"]),
        (error_in_a_200, ["failures"], ["GraphQL generatePrimes: ", "GraphQL error: boom …"]),
        (disconnect, ["failures"], ["WS jobUpdates: ", "SSE jobUpdates: ", "JOB small: "]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_each_fault_fails_the_run_by_its_name(
    address: str, tmp_path: Path, tamper: Tamper, failed_criteria: list[str], details: list[str]
) -> None:
    with tampering_proxy(address, tamper) as url:
        run = load(url, tmp_path, "light", "--run-time", "6s")
    assert run.code == 1, run.output
    assert [name for name in run.failed_criteria if name != "p95 submit to final"] == failed_criteria, run.summary
    assert [text for text in details if text not in run.summary] == [], run.summary
