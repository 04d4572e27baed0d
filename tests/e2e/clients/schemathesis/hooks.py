# ruff: noqa: INP001 - loaded by another program from its working directory
"""Hooks for Schemathesis: the custom scalars, and the error codes that are expected.

Loaded by SCHEMATHESIS_HOOKS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, Response

# Refusals of requests. Any other code is a server error.
EXPECTED = {
    "VALIDATION",
    "BAD_USER_INPUT",
    "LIMIT_EXCEEDED",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
}

schemathesis.graphql.scalar("SafeInt", st.integers(-(2**53) + 1, 2**53 - 1).map(lambda n: nodes.String(str(n))))
schemathesis.graphql.scalar(
    "DateTime", st.datetimes().map(lambda at: nodes.String(f"{at.isoformat(timespec='milliseconds')}Z"))
)


@schemathesis.check
def errors_are_expected(_: CheckContext, response: Response, __: Case) -> None:
    """Replaces Schemathesis's own check, which reports every field error as a failure."""
    assert response.status_code == 200, response.status_code
    for error in response.json().get("errors", ()):
        assert error["extensions"]["code"] in EXPECTED, error
