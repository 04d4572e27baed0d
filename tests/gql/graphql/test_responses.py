"""The status of a single response, and the errors in the responses of every transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gql.graphql.responses import status_of
from tests.gql.graphql.transports import BY_GET, JSON, STRICT, TRANSPORTS

if TYPE_CHECKING:
    from tests.conftest import System

ERROR = {"message": "m", "extensions": {"code": "BAD_USER_INPUT"}}
BUG = {"message": "m", "extensions": {"code": "INTERNAL_SERVER_ERROR", "traceId": "1"}}


@pytest.mark.parametrize(
    ("body", "legacy", "strict"),
    [
        ({"data": {}}, 200, 200),
        ({"data": {"a": None}, "errors": [ERROR]}, 200, 200),
        ({"data": None, "errors": [BUG]}, 200, 200),
        ({"errors": [ERROR]}, 200, 400),
        ({"errors": [BUG]}, 500, 500),
        ({"errors": [ERROR, BUG]}, 500, 500),
    ],
)
def test_status_by_media_type_and_body(body: dict[str, Any], legacy: int, strict: int) -> None:
    assert (status_of(JSON, body), status_of(STRICT, body)) == (legacy, strict)


@pytest.mark.parametrize(
    ("query", "variables", "path"),
    [
        ('query ($w: Int = 0) { job(id: "none", waitMs: $w) { id } }', {"w": None}, ["job"]),
        ("query ($c: Boolean = true) { limits { maxCount @skip(if: $c) } }", {"c": None}, ["limits"]),
        ("query ($i: ID!) { job(id: $i) { id } }", {}, None),
        ("subscription ($m: Int = 100) { systemStats(intervalMs: $m) { at } }", {"m": None}, ["systemStats"]),
        ("subscription ($m: Int!) { systemStats(intervalMs: $m) { at } }", {}, None),
    ],
)
async def test_error_of_a_value_has_its_code_on_every_transport(
    system: System, query: str, variables: dict[str, Any], path: list[str] | None
) -> None:
    is_subscription = query.startswith("subscription")
    for transport in TRANSPORTS:
        if transport in BY_GET and not is_subscription:
            continue
        if is_subscription and transport.accept in {JSON, STRICT}:
            continue
        [response] = await transport.responses(system.graphql, {"query": query, "variables": variables})
        [error] = response["errors"]
        assert (error["extensions"], error.get("path")) == ({"code": "BAD_USER_INPUT"}, path), transport
