"""The command-line client, also while connections break and servers restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow.parquet as pq
import pytest

from gql.client.__main__ import main
from tests import commands
from tests.clients import data
from tests.loadtest.tampering_proxy import tampering_proxy
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.authenticated import AuthenticatedSystem
    from tests.commands import Ended
    from tests.conftest import System

    Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The client in this process. Tests of Ctrl-C start it as a program."""
    return lambda url, *arguments: commands.run(main, ["--url", url, *arguments], capsys)


def command(url: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "gql.client", "--url", url, *arguments]


def test_api_key_is_read_from_the_environment(
    run: Run, authenticated: AuthenticatedSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = run(authenticated.system.url, "10")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Missing credentials. Send an API key or token" in refused.stderr
    monkeypatch.setenv("PRIMES_KEY", authenticated.alice)
    file = tmp_path / "primes.csv"
    assert run(authenticated.system.url, "10", "--output", str(file)).returncode == 0
    assert file.exists()


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson", "txt"])
def test_primes_are_saved_in_the_format_of_the_file_name(run: Run, system: System, tmp_path: Path, form: str) -> None:
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
        (["10", "--output", "primes.json"], "must end in one of .parquet, .csv, .ndjson, .txt, or --format"),
        (["10", "--output", "/nowhere/primes.csv"], "/nowhere is not a writable directory"),
        ([str(2**40)], "cannot represent non 32-bit signed integer"),
        (["10", "--url", "localhost:8000"], "must begin with http:// or https://"),
    ],
)
def test_invalid_arguments_are_one_line(run: Run, system: System, arguments: list[str], message: str) -> None:
    done = run(system.url, *arguments)
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:1", "http://127.0.0.1:1", "::", "ftp://proxy"])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "http_proxy"])
def test_server_on_this_machine_is_asked_directly(
    run: Run, system: System, monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str
) -> None:
    for exemptions in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(exemptions, raising=False)
    monkeypatch.setenv(variable, proxy)
    monkeypatch.setenv("SSL_CERT_FILE", "/none.pem")
    assert run(system.url, "3").stdout == "2\n3\n5\n"


def test_unusable_proxy_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for exemptions in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(exemptions, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5h://user:secret@127.0.0.1:1")
    done = run("http://primes.example", "10")
    assert done.returncode == 1
    assert done.stderr == (
        "error: ALL_PROXY names a SOCKS proxy, which requires the package socksio: install it, or add primes.example "
        "to NO_PROXY\n"
    )


def test_response_of_another_kind_of_server_is_an_error(run: Run, tmp_path: Path) -> None:
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


def test_existing_file_is_overwritten_only_with_force(run: Run, system: System, tmp_path: Path) -> None:
    file = tmp_path / "primes.csv"
    file.write_text("existing content")
    refused = run(system.url, "10", "--output", str(file))
    assert (refused.returncode, "which exists" in refused.stderr) == (2, True)
    assert file.read_text() == "existing content"
    assert run(system.url, "10", "--output", str(file), "--force").returncode == 0
    assert file.read_text().startswith("prime\n2\n")


def test_broken_download_is_resumed(run: Run, system: System, tmp_path: Path) -> None:
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
        wait_until(file.with_name("primes.csv.part").exists)
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
        released.set()
    assert (client.returncode, "cancelled" in stderr, file.exists()) == (130, False, False)
    assert f"curl -C - -o {file}.part {url}/jobs/" in stderr


def test_ctrl_c_cancels_the_job(system: System) -> None:
    with started(system.url) as client:
        job_id = running_job(system)
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
    assert (client.returncode, "Interrupted: the job was cancelled." in stderr) == (130, True)
    assert httpx.get(f"{system.url}/status/{job_id}").json()["status"] == "cancelled"


def test_ctrl_c_before_the_response_to_the_submission_cancels_the_job(system: System) -> None:
    released, held = threading.Event(), threading.Event()

    def hold_first(data: bytes) -> bytes:
        if not held.is_set():
            held.set()
            released.wait(60)
        return data

    with tampering_proxy(system.url, hold_first) as url, started(url) as client:
        job_id = running_job(system)
        assert held.wait(20)
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
        released.set()
    assert (client.returncode, "Interrupted: the job was cancelled." in stderr) == (130, True)
    assert httpx.get(f"{system.url}/status/{job_id}").json()["status"] == "cancelled"


def test_ctrl_c_without_a_response_reports_that_the_job_may_still_be_running(system: System) -> None:
    blocked = threading.Event()

    def disconnect(data: bytes) -> bytes:
        if blocked.is_set():
            raise ConnectionResetError
        return data

    with tampering_proxy(system.url, disconnect) as url, started(url) as client:
        job_id = running_job(system)
        blocked.set()
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
    data(system, "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=job_id)
    assert client.returncode == 1
    assert "Interrupted, but not cancelled" in stderr
    assert "may still be running." in " ".join(stderr.split())


@contextmanager
def started(url: str) -> Iterator[subprocess.Popen[str]]:
    """The client as a program, with a job that would run for minutes."""
    with subprocess.Popen(
        command(url, "90000000", "--start", str(10**15)), cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as client:
        try:
            yield client
        finally:
            client.kill()


def running_job(system: System) -> str:
    """The id of the job of the started client, once it runs."""
    found: list[dict[str, Any]] = []

    def is_running() -> bool:
        query = "{ jobs(first: 1, filter: {statuses: [RUNNING]}) { edges { node { id count } } } }"
        found[:] = data(system, query)["jobs"]["edges"]
        return [job["node"]["count"] for job in found] == [90_000_000]

    wait_until(is_running)
    job_id: str = found[0]["node"]["id"]
    return job_id
