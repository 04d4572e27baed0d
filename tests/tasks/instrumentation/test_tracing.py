"""The trace of a job record is W3C's traceparent, whichever propagators requests use."""

from __future__ import annotations

import pytest
from opentelemetry import propagate, trace
from opentelemetry.propagators.composite import CompositePropagator

from tasks.instrumentation.tracing import extract_context

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def test_trace_of_a_record_does_not_depend_on_the_propagators_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", CompositePropagator([]))
    found = trace.get_current_span(extract_context(f"00-{TRACE_ID}-b7ad6b7169203331-01")).get_span_context()
    assert trace.format_trace_id(found.trace_id) == TRACE_ID


@pytest.mark.parametrize("traceparent", [None, "", "nonsense"])
def test_record_without_a_trace_has_an_empty_context(traceparent: str | None) -> None:
    assert not trace.get_current_span(extract_context(traceparent)).get_span_context().is_valid
