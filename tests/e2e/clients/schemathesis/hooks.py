# ruff: noqa: INP001 - read by another program, from the folder that it is started in
"""What Schemathesis can't know of our GraphQL: its scalars, and which errors are answers.

Read by the process that SCHEMATHESIS_HOOKS is set for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, Response

# A refusal of what was asked. Anything else is a fault of the server.
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
    """Schemathesis's own check takes every error of a field for a fault, also one that names a bound."""
    assert response.status_code == 200, response.status_code
    for error in response.json().get("errors", ()):
        assert error["extensions"]["code"] in EXPECTED, error
