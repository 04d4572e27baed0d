"""Body limit middleware: large request bodies are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.conftest import System


def test_large_body_is_refused_with_security_headers(system: System) -> None:
    answer = httpx.post(system.graphql, content=b" " * 300_000)
    assert answer.status_code == 413
    assert answer.json()["detail"] == "The request body exceeds 262144 bytes."
    assert answer.headers["x-content-type-options"] == "nosniff"
