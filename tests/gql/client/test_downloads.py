"""What the client writes, and where: primes to a file or to standard output, also while connections break."""

from __future__ import annotations

import io
import signal
import sys
import threading
from typing import TYPE_CHECKING

import httpx
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from gql.client.__main__ import main
from gql.client.downloads import FORMATS, download
from tests.gql.client.program import started
from tests.loadtest.tampering_proxy import tampering_proxy
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import System
    from tests.gql.client.conftest import Run

PRIMES = ["2", "3", "5", "7", "11", "13", "17", "19", "23", "29"]
SUMMARY = "10 primes from 2 to 29, sha256 "


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


@pytest.mark.parametrize("arguments", [[], ["--output", "-"], ["--format", "text"]])
def test_primes_are_written_to_a_pipe_one_per_line(run: Run, system: System, arguments: list[str]) -> None:
    done = run(system.url, "10", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == PRIMES
    # No progress bar, which a log file would repeat.
    assert (done.stderr[: len(SUMMARY)], done.stderr.count("\n")) == (SUMMARY, 1)


@pytest.mark.parametrize(("form", "first"), [("csv", "prime"), ("ndjson", '{"prime":2}')])
def test_format_of_standard_output(run: Run, system: System, form: str, first: str) -> None:
    done = run(system.url, "10", "--format", form)
    assert done.stdout.splitlines()[0] == first


def test_parquet_is_written_to_a_pipe(system: System, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["--url", system.url, "10", "--output", "-", "--format", "parquet"]) == 0
    primes = pq.read_table(io.BytesIO(capsysbinary.readouterr().out)).column("prime").to_pylist()
    assert primes == [int(prime) for prime in PRIMES]


def test_format_overrides_the_end_of_the_file_name(run: Run, system: System, tmp_path: Path) -> None:
    file = tmp_path / "primes.csv"
    done = run(system.url, "10", "--format", "text", "--output", str(file))
    assert done.stdout.startswith(SUMMARY)
    assert file.read_text(encoding="ascii").splitlines() == PRIMES


@pytest.mark.parametrize(("arguments", "is_summary"), [([], True), (["--output", "-"], False)])
def test_terminal_gets_the_primes_only_on_request(
    run: Run,
    system: System,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    *,
    is_summary: bool,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = run(system.url, "10", *arguments)
    assert done.stdout.startswith(SUMMARY if is_summary else "2\n3\n5\n")


@pytest.mark.parametrize("is_to_file", [True, False])
def test_broken_download_is_resumed(run: Run, system: System, tmp_path: Path, *, is_to_file: bool) -> None:
    """The connection breaks four times during 1.5 MB."""
    file, passed, cuts = tmp_path / "primes.csv", 0, 0

    def cut(data: bytes) -> bytes:
        nonlocal passed, cuts
        passed += len(data)
        if passed > 300_000 and cuts < 4:
            passed, cuts = 0, cuts + 1
            raise ConnectionResetError
        return data

    with tampering_proxy(system.url, cut) as url:
        done = run(url, "200000", *(["--output", str(file)] if is_to_file else []))
    assert (done.returncode, cuts) == (0, 4), done.stderr
    lines = (file.read_text(encoding="ascii") if is_to_file else done.stdout).splitlines()
    assert (len(lines), lines[is_to_file], lines[-1]) == (200_000 + is_to_file, "2", "2750159")


def test_interrupted_download_prints_how_to_resume(system: System, tmp_path: Path) -> None:
    """The job has succeeded and is not cancelled."""
    file = tmp_path / "primes.csv"
    released = threading.Event()

    def stalled(data: bytes) -> bytes:
        if b"attachment" in data:
            released.wait(60)
        return data

    with (
        tampering_proxy(system.url, stalled) as url,
        started(url, "20000", "--output", str(file)) as client,
    ):
        wait_until(file.with_name("primes.csv.part").exists)
        client.send_signal(signal.SIGINT)
        _, stderr = client.communicate(timeout=20)
        released.set()
    assert (client.returncode, "cancelled" in stderr, file.exists()) == (130, False, False)
    assert f"curl -C - -o {file}.part {url}/jobs/" in stderr


@pytest.mark.parametrize("form", ["csv", "text"])
def test_server_without_ranges_repeats_nothing(tmp_path: Path, form: str) -> None:
    """Whole files only, in pieces of two bytes. The first connection breaks."""
    content, requests = b"prime\n2\n3\n5\n", 0

    def respond(_: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests += 1

        def pieces(is_broken: bool = requests == 1) -> Iterator[bytes]:
            for start in range(0, len(content), 2):
                if start == 8 and is_broken:
                    raise httpx.ReadError("")
                yield content[start : start + 2]

        return httpx.Response(200, content=pieces(), headers={"Content-Length": str(len(content))})

    file = tmp_path / "primes"
    with httpx.Client(base_url="http://primes.example", transport=httpx.MockTransport(respond)) as client:
        download(client, "id", FORMATS[form], file, Console(stderr=True))
    assert requests == 2
    assert file.read_bytes() == content[FORMATS[form].skipped :]
