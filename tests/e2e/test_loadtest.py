"""The load test for real: it passes on a sound system, and fails by the right name on one that is not."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests import otlp, programs
from tests.loadtest.tampering_proxy import altering, same_length
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loadtest.tampering_proxy import Alter


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has ended, and what it left."""

    code: int
    output: str
    summary: str
    # Requests and failures by name.
    counts: dict[str, tuple[int, int]]

    @property
    def broken(self) -> list[str]:
        return re.findall(r"^BROKEN  (.*?)  ", self.summary, re.MULTILINE)


def load(url: str, folder: Path, *options: str, **environment: str) -> Run:
    command = [sys.executable, "-m", "loadtest", *options, "--host", url, "--report", str(folder)]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=100
    )
    output = ended.stdout + ended.stderr
    assert (folder / "report.html").is_file(), output
    with (folder / "run_stats.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    counts = {row["Name"]: (int(row["Request Count"]), int(row["Failure Count"])) for row in rows}
    return Run(ended.returncode, output, (folder / "summary.txt").read_text(encoding="utf-8"), counts)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its own system: thousands of jobs would be in the way of other tests."""
    folder = tmp_path_factory.mktemp("loaded")
    with (
        programs.valkey(folder) as valkey,
        programs.worker(folder, valkey.url, "loaded:"),
        programs.api(folder, valkey.url, "loaded:") as (url, _),
    ):
        yield url


def test_a_sound_system_passes(address: str, tmp_path: Path) -> None:
    run = load(address, tmp_path, "light", "--run-time", "15s", "--huge")
    assert run.code == 0, run.output
    assert run.summary in run.output
    assert run.summary.startswith("light: passed")
    assert run.broken == []
    requests, failures = run.counts["Aggregated"]
    assert failures == 0
    # Ten people who think for two seconds: five jobs a second, of which each is three requests or more.
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


def test_two_processes_are_one_run_and_each_tells_its_own_metrics(address: str, tmp_path: Path) -> None:
    with otlp.receiver() as received:
        run = load(
            address,
            tmp_path,
            *("light", "--users", "6", "--run-time", "8s", "--processes", "2"),
            OTEL_EXPORTER_OTLP_ENDPOINT=received.endpoint,
            OTEL_METRIC_EXPORT_INTERVAL="1000",
        )
    assert run.code == 0, run.output
    assert len(received.instances("primes-loadtest")) == 2
    # Nothing is lost between what the master shows and what the workers told, also at the end.
    for name in ("GraphQL generatePrimes", "WS jobUpdates", "REST /generate"):
        assert received.total("loadtest.request.duration", loadtest_request=name) == run.counts[name][0] > 0
    jobs = sum(run.counts[size][0] for size in ("small", "medium", "large") if size in run.counts)
    assert received.total("loadtest.job.duration") == jobs
    assert received.series_of("loadtest.users") == {frozenset({("loadtest.scenario", "light")})}
    assert received.total("loadtest.users") == 0


def test_people_with_keys_are_let_in_by_every_door_and_others_by_none(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as valkey, programs.worker(tmp_path, valkey.url, "keys:"):
        store = {"REDIS_URL": valkey.url, "KEY_PREFIX": "keys:"}
        made = [sys.executable, "-m", "gql.keys", "create"]
        printed = [
            subprocess.run([*made, name], cwd=ROOT, env=os.environ | store, capture_output=True, text=True, check=True)
            for name in ("first", "second")
        ]
        keys = [key for said in printed for key in re.findall(r"primes_\S+", said.stdout)]
        assert len(set(keys)) == 2
        options = ("light", "--users", "8", "--run-time", "5s")
        with programs.api(tmp_path, valkey.url, "keys:", AUTHENTICATION="keys") as (address, _):
            run = load(address, tmp_path / "with", *options, LOADTEST_KEYS=",".join(keys))
            others = load(address, tmp_path / "without", *options)
    # How long the first jobs of a new system take is not the matter here.
    assert [name for name in run.broken if name != "p95 submit to final"] == [], run.output
    assert all(run.counts[door][0] for door in ("WS jobUpdates", "SSE jobUpdates", "REST /status/{request_id}"))
    assert not [key for key in keys if key in run.output + (tmp_path / "with/report.html").read_text(encoding="utf-8")]
    assert others.code == 1
    assert others.counts["Aggregated"][0] == others.counts["Aggregated"][1] > 0


def test_the_step_scenario_tells_how_far_it_came(address: str, tmp_path: Path) -> None:
    """As far as it may go here: one step of five users."""
    run = load(address, tmp_path, "step", "--users", "5")
    assert run.code == 0, run.output
    assert re.search(r"^Capacity: 5 users, [1-9][0-9.]* jobs/s at p95 \d+ ms or more", run.summary, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_run_still_has_its_summary_and_does_not_pass(
    address: str, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "loadtest", "light", "--host", address, "--report", str(tmp_path / "report")]
    program = programs.start(command, tmp_path, {})
    try:
        wait_until(lambda: " requests, 0 failures" in program.output(), 40, program.output)
        program.send(number)
        assert program.process.wait(20) == 1
    finally:
        if program.process.poll() is None:
            program.kill()
    assert program.output().count("light: FAILED") == 1
    assert re.findall(r"^BROKEN  (.*?)  ", program.output(), re.MULTILINE) == ["run to its end"]


# Negative controls: the same system behind a proxy that spoils its answers


def wrong_prime(data: bytes) -> bytes:
    """In pages of GraphQL the first digit of the first prime, in REST the prime 3."""
    data = re.sub(rb'"values":\[\d', lambda match: match[0][:-1] + (b"1" if match[0][-1:] != b"1" else b"2"), data)
    return data.replace(b'"result":[2,3,', b'"result":[2,4,')


def no_final(data: bytes) -> bytes:
    """The last event tells that the job still runs; then the stream completes."""
    return same_length(
        rb'"status":"(SUCCEEDED|CANCELLED)","isFinal":true', rb'"status":"RUNNING","isFinal":false', data
    )


def silence_at_the_end(data: bytes) -> bytes:
    """On a WebSocket, neither the last event nor the completion comes."""
    is_end = b'"isFinal":true' in data or b'"type":"complete"' in data
    return b"" if is_end and data[:1] == b"\x81" else data


def final_twice(data: bytes) -> bytes:
    """The last event again: as a frame, or as a chunk of an event stream."""
    if data[:1] == b"\x81" and b'"isFinal":true' in data:
        return data + data
    chunk = rb'[0-9a-f]+\r\nevent: next\ndata: [^\n]*"isFinal":true[^\n]*\n\n\r\n'
    return re.sub(chunk, lambda match: match[0] + match[0], data)


def queue_full(data: bytes) -> bytes:
    """A typed error where a job should be."""
    return same_length(rb'"__typename":"GeneratePrimesAccepted"', rb'"__typename":"QueueFull"', data)


def error_in_a_200(data: bytes) -> bytes:
    """An answer without its data."""
    return same_length(rb'\{"data":\{"generatePrimes".*\}\}\}\}', rb'{"errors":[{"message":"boom 1234"}]}', data)


def cut(data: bytes) -> bytes:
    """The connection breaks in place of the last event."""
    if b'"isFinal":true' in data:
        raise ConnectionResetError
    return data


def test_a_proxy_that_alters_nothing_spoils_nothing(address: str, tmp_path: Path) -> None:
    with altering(address, bytes) as unspoilt:
        run = load(unspoilt, tmp_path, "light", "--run-time", "4s")
    assert run.code == 0, run.output


@pytest.mark.parametrize(
    ("alter", "broken", "shown"),
    [
        (wrong_prime, ["wrong_result"], ["GraphQL: page: first", "REST: between first and last"]),
        (no_final, ["failures", "lost_final"], ["over WS", "over SSE"]),
        (silence_at_the_end, ["failures", "lost_final"], ["over WS"]),
        (final_twice, ["repeated_final"], ["over WS", "over SSE"]),
        (queue_full, ["failures"], ["GraphQL generatePrimes: ", "QueueFull"]),
        (error_in_a_200, ["failures"], ["GraphQL generatePrimes: ", "GraphQL error: boom …"]),
        (cut, ["failures"], ["WS jobUpdates: ", "SSE jobUpdates: ", "JOB small: "]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_spoilt_is_named(
    address: str, tmp_path: Path, alter: Alter, broken: list[str], shown: list[str]
) -> None:
    with altering(address, alter) as spoilt:
        run = load(spoilt, tmp_path, "light", "--run-time", "6s")
    assert run.code == 1, run.output
    assert [name for name in run.broken if name != "p95 submit to final"] == broken, run.summary
    assert [text for text in shown if text not in run.summary] == [], run.summary
