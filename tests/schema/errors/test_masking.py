"""Unexpected errors outside of resolvers are masked, logged and measured, whichever way executes the operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from schema import telemetry
from schema.errors import masking
from schema.execution.plan import DocumentPlans
from schema.schema import build_schema
from tests.schema.execution.operations import Operation
from tests.schema.ways import WAYS, measured_outcomes

if TYPE_CHECKING:
    from tests.schema.ways import Way

QUERY = Operation("query Failing { limits { maxCount } }", {})


def fail(*_: object) -> Any:
    raise RuntimeError("a secret")


async def fail_later(*_: object) -> Any:
    fail()


@pytest.mark.parametrize("failure", [fail, lambda *_: fail_later()], ids=["at once", "later"])
@pytest.mark.parametrize("way", WAYS)
async def test_exception_of_the_executor_is_masked_logged_and_measured(
    way: Way, failure: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = measured_outcomes(monkeypatch)
    monkeypatch.setattr(DocumentPlans, "_execute", failure)
    result = await way(build_schema(), QUERY)
    [error] = result.errors or []
    assert result.data is None
    assert error.message == masking.UNEXPECTED_ERROR_MESSAGE
    extensions = error.extensions or {}
    assert extensions["code"] == masking.UNEXPECTED_ERROR_CODE
    [record] = caplog.records
    assert f"in operation 'Failing' at None, trace {extensions['traceId']}" in record.getMessage()
    assert "a secret" in caplog.text
    assert outcomes == [telemetry.INTERNAL]
