"""The command-line client, also while connections break and servers restart."""

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


def test_result_is_printed(system: System) -> None:
    done = run(system.url, "10")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("10 primes from 2 to 29, sha256 ")


def test_api_key_is_read_from_the_environment(
    authenticated: AuthenticatedSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = run(authenticated.system.url, "10")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Missing credentials. Send an API key or token" in refused.stderr
    monkeypatch.setenv("PRIMES_KEY", authenticated.alice)
    file = tmp_path / "primes.csv"
    assert run(authenticated.system.url, "10", "--output", str(file)).returncode == 0
    assert file.exists()


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
def test_primes_are_saved_in_the_format_of_the_file_name(system: System, tmp_path: Path, form: str) -> None:
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
    ("arguments", "message"),
    [
        (["0"], "count is 0, must be 1 to 100000000"),
        (["ten"], "invalid int value: 'ten'"),
        (["10", "--output", "primes.txt"], "must end in one of parquet, csv, ndjson"),
        (["10", "--output", "/nowhere/primes.csv"], "/nowhere is not a writable directory"),
        ([str(2**40)], "cannot represent non 32-bit signed integer"),
        (["10", "--url", "localhost:8000"], "must begin with http:// or https://"),
    ],
)
def test_invalid_arguments_are_one_line(system: System, arguments: list[str], message: str) -> None:
    done = run(system.url, *arguments)
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_response_of_another_kind_of_server_is_an_error(tmp_path: Path) -> None:
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
    assert (done.returncode, "Check --url." in done.stderr) == (1, True), done.stderr


def test_existing_file_is_overwritten_only_with_force(system: System, tmp_path: Path) -> None:
    file = tmp_path / "primes.csv"
    file.write_text("existing content")
    refused = run(system.url, "10", "--output", str(file))
    assert (refused.returncode, "which exists" in refused.stderr) == (2, True)
    assert file.read_text() == "existing content"
    assert run(system.url, "10", "--output", str(file), "--force").returncode == 0
    assert file.read_text().startswith("prime\n2\n")


def test_broken_download_is_resumed(system: System, tmp_path: Path) -> None:
    """The connection breaks four times during a file of 1.5 MB."""
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


def test_interrupted_download_prints_how_to_resume(system: System, tmp_path: Path) -> None:
    """The job has succeeded and is not cancelled."""
    file = tmp_path / "primes.csv"
    released = threading.Event()

    def stalled(data: bytes) -> bytes:
        if b"attachment" in data:
            released.wait(60)
        return data

    with tampering_proxy(system.url, stalled) as url:
        client = subprocess.Popen(
            command(url, "20000", "--output", str(file)), cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        wait_until(file.with_name("primes.csv.part").exists, 20)
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
        released.set()
    assert (client.returncode, "cancelled" in stderr, file.exists()) == (130, False, False)
    assert f"curl -C - -o {file}.part {url}/jobs/" in stderr


def test_ctrl_c_cancels_the_job(system: System) -> None:
    """A job that would run for minutes."""
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
    _, stderr = client.communicate(timeout=20)
    assert (client.returncode, "Interrupted: the job was cancelled." in stderr) == (130, True)
    assert httpx.get(f"{system.url}/status/{jobs[0]['node']['id']}").json()["status"] == "cancelled"


def test_server_restart_is_survived(tmp_path: Path) -> None:
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
            stdout, _ = client.communicate(timeout=80)
    assert client.returncode == 0
    assert stdout.startswith("20971520 primes from ")
