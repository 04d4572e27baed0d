"""Body limit middleware: large and compressed request bodies are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import System


def test_large_body_is_refused_with_security_headers(system: System) -> None:
    answer = httpx.post(system.graphql, content=b" " * 300_000)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "The request body exceeds 262144 bytes."
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/graphql", "/generate?n=10"])
@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([""], 200),
        (["identity"], 200),
        (["Identity", " , IDENTITY,"], 200),
        (["gzip"], 415),
        (["X-GZIP"], 415),
        (["identity, gzip"], 415),
        (["gzip", "identity"], 415),
        (["identity;q=1"], 415),
        (["unknown"], 415),
    ],
    ids=str,
)
def test_compressed_body_is_refused(system: System, path: str, lines: list[str], status: int) -> None:
    headers = [("Content-Type", "application/json"), *(("Content-Encoding", line.strip()) for line in lines)]
    body = b'{"query": "{ __typename }", "n": 10}'
    answer = httpx.post(f"{system.url}{path}", content=body, headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert answer.headers["accept-encoding"] == "identity"
        assert "Send the body without Content-Encoding" in answer.json()["detail"]
