"""The command line of the client: the key, the server, and arguments that it refuses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.authenticated import AuthenticatedSystem
    from tests.conftest import System
    from tests.gql.client.conftest import Run


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


def test_existing_file_is_overwritten_only_with_force(run: Run, system: System, tmp_path: Path) -> None:
    file = tmp_path / "primes.csv"
    file.write_text("existing content")
    refused = run(system.url, "10", "--output", str(file))
    assert (refused.returncode, "which exists" in refused.stderr) == (2, True)
    assert file.read_text() == "existing content"
    assert run(system.url, "10", "--output", str(file), "--force").returncode == 0
    assert file.read_text().startswith("prime\n2\n")


def test_parquet_is_not_written_to_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = run("http://primes.example", "10", "--format", "parquet")
    assert (done.returncode, "use --output to save it to a file" in done.stderr) == (2, True)
