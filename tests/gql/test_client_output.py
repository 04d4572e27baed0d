"""What the command-line client writes, and where: primes and summary to standard output, everything else to errors."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import httpx
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from gql.client.__main__ import main
from gql.client.downloads import FORMATS, download
from gql.client.streams import standard_output
from tests import commands
from tests.loadtest.tampering_proxy import tampering_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import ReadableBuffer

    from tests.conftest import System

PRIMES = ["2", "3", "5", "7", "11", "13", "17", "19", "23", "29"]
SUMMARY = "10 primes from 2 to 29, sha256 "


@pytest.mark.parametrize("arguments", [[], ["--output", "-"], ["--format", "text"]])
def test_primes_are_written_to_a_pipe_one_per_line(
    system: System, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    done = commands.run(main, ["--url", system.url, "10", *arguments], capsys)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == PRIMES
    # No progress bar, which a log file would repeat.
    assert (done.stderr[: len(SUMMARY)], done.stderr.count("\n")) == (SUMMARY, 1)


@pytest.mark.parametrize(("form", "first"), [("csv", "prime"), ("ndjson", '{"prime":2}')])
def test_format_of_standard_output(system: System, capsys: pytest.CaptureFixture[str], form: str, first: str) -> None:
    done = commands.run(main, ["--url", system.url, "10", "--format", form], capsys)
    assert done.stdout.splitlines()[0] == first


def test_parquet_is_written_to_a_pipe(system: System, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["--url", system.url, "10", "--output", "-", "--format", "parquet"]) == 0
    primes = pq.read_table(io.BytesIO(capsysbinary.readouterr().out)).column("prime").to_pylist()
    assert primes == [int(prime) for prime in PRIMES]


def test_format_overrides_the_end_of_the_file_name(
    system: System, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "primes.csv"
    done = commands.run(main, ["--url", system.url, "10", "--format", "text", "--output", str(file)], capsys)
    assert done.stdout.startswith(SUMMARY)
    assert file.read_text(encoding="ascii").splitlines() == PRIMES


@pytest.mark.parametrize(("arguments", "is_summary"), [([], True), (["--output", "-"], False)])
def test_terminal_gets_the_primes_only_on_request(
    system: System,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    *,
    is_summary: bool,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = commands.run(main, ["--url", system.url, "10", *arguments], capsys)
    assert done.stdout.startswith(SUMMARY if is_summary else "2\n3\n5\n")


def test_parquet_is_not_written_to_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = commands.run(main, ["10", "--format", "parquet"], capsys)
    assert (done.returncode, "use --output to save it to a file" in done.stderr) == (2, True)


def test_broken_download_to_standard_output_is_resumed(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    passed, cuts = 0, 0

    def cut(data: bytes) -> bytes:
        nonlocal passed, cuts
        passed += len(data)
        if passed > 300_000 and cuts < 4:
            passed, cuts = 0, cuts + 1
            raise ConnectionResetError
        return data

    with tampering_proxy(system.url, cut) as url:
        done = commands.run(main, ["--url", url, "200000"], capsys)
    assert (done.returncode, cuts) == (0, 4), done.stderr
    lines = done.stdout.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (200_000, "2", "2750159")


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


def test_unbuffered_standard_output_is_written_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    """With PYTHONUNBUFFERED, its file is raw, which may write less than it is given."""

    class Raw(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: ReadableBuffer, /) -> int:
            Raw.written += bytes(data)[:2]
            return min(len(bytes(data)), 2)

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Raw(), write_through=True))  # type: ignore[type-var]
    with standard_output() as file:
        file.write(b"2\n3\n5\n")
    assert Raw.written == b"2\n3\n5\n"
