"""The command-line client: as a person uses it, and with everything breaking under it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests import programs
from tests.loadtest.tampering_proxy import tampering_proxy
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.authenticated import AuthenticatedSystem
    from tests.conftest import System


def run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(url, *arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)


def command(url: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "gql.client", "--url", url, *arguments]


def test_it_tells_what_was_found(system: System) -> None:
    done = run(system.url, "10")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("10 primes from 2 to 29, sha256 ")


def test_it_shows_its_key_where_it_is_asked(
    authenticated: AuthenticatedSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = run(authenticated.system.url, "10")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "show a key" in refused.stderr
    monkeypatch.setenv("PRIMES_KEY", authenticated.alice)
    file = tmp_path / "primes.csv"
    assert run(authenticated.system.url, "10", "--output", str(file)).returncode == 0
    assert file.exists()


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
def test_it_saves_what_was_found(system: System, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"primes.{form}"
    done = run(system.url, "20000", "--start", "100", "--output", str(file))
    assert done.returncode == 0, done.stderr
    if form == "parquet":
        assert pq.read_table(file).column("prime").to_pylist()[:2] == [101, 103]
    else:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert (len(lines), "101" in lines[form == "csv"]) == (20_000 + (form == "csv"), True)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["0"], "count is 0, must be 1 to 100000000"),
        (["ten"], "invalid int value: 'ten'"),
        (["10", "--output", "primes.txt"], "must end in one of parquet, csv, ndjson"),
        (["10", "--output", "/nowhere/primes.csv"], "/nowhere is no folder that can be written to"),
        ([str(2**40)], "cannot represent non 32-bit signed integer"),
        (["10", "--url", "localhost:8000"], "must begin with http:// or https://"),
    ],
)
def test_what_can_not_be_is_said_in_a_line(system: System, arguments: list[str], words: str) -> None:
    done = run(system.url, *arguments)
    assert done.returncode != 0
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_server_that_is_another_is_told_from_ours(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("It works!")
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", tmp_path],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split()[5]
        done = run(f"http://127.0.0.1:{port}", "10")
        server.terminate()
    assert (done.returncode, "is --url right?" in done.stderr) == (1, True), done.stderr


def test_a_file_that_exists_is_not_written_over_unless_asked_to(system: System, tmp_path: Path) -> None:
    file = tmp_path / "primes.csv"
    file.write_text("dear to somebody")
    refused = run(system.url, "10", "--output", str(file))
    assert (refused.returncode, "which exists" in refused.stderr) == (2, True)
    assert file.read_text() == "dear to somebody"
    assert run(system.url, "10", "--output", str(file), "--force").returncode == 0
    assert file.read_text().startswith("prime\n2\n")


def test_a_download_that_breaks_off_goes_on(system: System, tmp_path: Path) -> None:
    """The lines that carry a file of a megabyte and a half are cut four times."""
    file, passed, cuts = tmp_path / "primes.csv", 0, 0

    def cut(data: bytes) -> bytes:
        nonlocal passed, cuts
        passed += len(data)
        if passed > 300_000 and cuts < 4:
            passed, cuts = 0, cuts + 1
            raise ConnectionResetError
        return data

    with tampering_proxy(system.url, cut) as url:
        done = run(url, "200000", "--output", str(file))
    assert (done.returncode, cuts) == (0, 4), done.stderr
    lines = file.read_text(encoding="ascii").splitlines()
    assert (len(lines), lines[-1]) == (200_001, "2750159")


def test_a_download_that_is_given_up_says_how_to_go_on(system: System, tmp_path: Path) -> None:
    """By Ctrl-C as well; the job has succeeded, and is not cancelled."""
    file = tmp_path / "primes.csv"
    slow = threading.Event()

    def stuck(data: bytes) -> bytes:
        if b"attachment" in data:
            slow.wait(60)
        return data

    with tampering_proxy(system.url, stuck) as url:
        client = subprocess.Popen(
            command(url, "20000", "--output", str(file)), cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        wait_until(file.with_name("primes.csv.part").exists, 20)
        client.send_signal(signal.SIGINT)
        _, said = client.communicate(timeout=20)
        slow.set()
    assert (client.returncode, "cancelled" in said, file.exists()) == (130, False, False)
    assert f"curl -C - -o {file}.part {url}/jobs/" in said


def test_ctrl_c_cancels_the_job(system: System) -> None:
    """A job that would take minutes."""
    client = subprocess.Popen(
        command(system.url, "90000000", "--start", str(10**15)), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    jobs: list[dict[str, Any]] = []

    def running() -> bool:
        query = "{ jobs(first: 1, filter: {statuses: [RUNNING]}) { edges { node { id count } } } }"
        jobs[:] = httpx.post(system.graphql, json={"query": query}).json()["data"]["jobs"]["edges"]
        return [job["node"]["count"] for job in jobs] == [90_000_000]

    wait_until(running, 20)
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=20)
    assert (client.returncode, "cancelled" in said) == (130, True)
    assert httpx.get(f"{system.url}/status/{jobs[0]['node']['id']}").json()["status"] == "cancelled"


def test_a_server_that_restarts_under_it_costs_nothing(tmp_path: Path) -> None:
    with (
        programs.valkey(tmp_path) as valkey,
        programs.worker(tmp_path, valkey.url, "client:", 1),
        programs.api(tmp_path, valkey.url, "client:") as (url, api),
    ):
        port = int(url.rpartition(":")[2])
        client = subprocess.Popen(
            command(url, str(20 * 2**20), "--start", str(10**14)),
            cwd=ROOT,
            env=os.environ | {"TERM": "dumb"},
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: "POST /graphql" in api.output(), 20)
        api.kill()
        with programs.api(tmp_path, valkey.url, "client:", port=port):
            said, _ = client.communicate(timeout=80)
    assert client.returncode == 0
    assert said.startswith("20971520 primes from ")
