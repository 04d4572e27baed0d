"""The build of the pages without a network, with Node."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from gql import explorer
from gql.explorer import build
from tests.gql.test_explorer import run_build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_node = pytest.mark.skipif(
    build._installed_tools() is None,  # noqa: SLF001 - without it the build first fetches a wheel of 60 MB
    reason="no Node 20.19 or newer on this machine",
)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never responds, as behind a firewall that drops packets."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1]


@needs_node
def test_an_unreachable_registry_is_reported_in_one_line(copy: Path, closed_port: int) -> None:
    result = run_build(copy, closed_port)
    assert result.stderr == (
        "GraphiQL and the console were not built: the npm registry is unreachable (ECONNREFUSED). "
        "Until `make explorer` succeeds, /graphql and / serve fallback pages.\n"
    )
    assert (result.stdout, result.returncode) == ("", 1)
    assert explorer.page(explorer.GRAPHIQL, copy / "gql/explorer/dist") is None


@needs_node
def test_a_failed_optional_build_exits_with_0(copy: Path, closed_port: int) -> None:
    result = run_build(copy, closed_port, "--optional")
    assert "GraphiQL and the console were not built" in result.stderr
    assert result.returncode == 0


@needs_node
def test_a_silent_network_times_out_within_30_seconds(copy: Path, silent_port: int) -> None:
    started = time.monotonic()
    result = run_build(copy, silent_port)
    assert "the npm registry is unreachable" in result.stderr
    assert time.monotonic() - started < 30
