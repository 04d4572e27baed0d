"""Security headers middleware: headers on every response, and pages that work with a strict policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import System


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/docs"), ("GET", "/docs/assets/swagger-ui.css"), ("GET", "/static/docs.js"),
        ("GET", "/graphql"), ("POST", "/graphql"), ("GET", "/openapi.json"), ("GET", "/livez"), ("GET", "/nothing"),
        ("GET", "/status/x"), ("DELETE", "/graphql"),
    ],
)  # fmt: skip
def test_every_response_has_security_headers(system: System, method: str, path: str) -> None:
    answer = httpx.request(method, f"{system.url}{path}", headers={"Accept": "text/html, */*"})
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_need_no_inline_scripts_or_styles(system: System, path: str) -> None:
    answer = httpx.get(f"{system.url}{path}")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "http" not in answer.headers["content-security-policy"]
    assert "<style" not in answer.text
    assert "style=" not in answer.text
    assert "<script>" not in answer.text
