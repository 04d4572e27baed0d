"""Spans of a job, all in the trace of the request that submitted it.

    POST /graphql                     the request that submitted it
    └─ send small                     its context is stored in the job record, and so sent with every message
       ├─ process small               one attempt at one segment, on any worker
       │  ├─ claim_segment, compute, store, complete_segment (the next one of a task is claimed by the one before)
       ├─ attempt lost                emitted for a killed worker by the process that finds its lease expired
       └─ job                         from submission to the final state

Deliveries to subscribers are spans in the subscribers' traces, with a link to the job's trace.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tasks.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tasks.jobs import Job, LostAttempt

# The format of job records, whatever OTEL_PROPAGATORS says: that is about the headers of requests.
_PROPAGATOR = TraceContextTextMapPropagator()

_tracer = trace.get_tracer("tasks")

# Semantic conventions for messaging. Celery is not among the listed systems; other values are allowed.
_MESSAGING = {"messaging.system": "celery"}
_STORE = {"db.system.name": "redis", "db.operation.name": "EVALSHA"}


@contextmanager
def send_span(queue: str | None = None) -> Iterator[str | None]:
    """The span of sending a job to a queue. Yields its traceparent for the job record; None if telemetry is off.

    Args:
        queue: None for a retry, where the script chooses the queue.
    """
    parent = trace.get_current_span()
    if parent.get_span_context().is_valid and not parent.is_recording():
        # Not sampled: pass its context on and save the cost of a span.
        yield _format_traceparent(parent)
        return
    attributes = _MESSAGING | {"messaging.operation.name": "send"}
    if queue is not None:
        attributes["messaging.destination.name"] = queue
    # Not set as the current span, which would double the cost: no code below reads it.
    name = "send" if queue is None else f"send {queue}"
    span = _tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
    try:
        yield _format_traceparent(span)
    finally:
        span.end()


def start_process_span(traceparent: str | None, queue: str, job_id: str, index: int) -> Span:
    """Starts the span of one attempt at one segment, in the trace of its job. The caller ends it, in any thread."""
    attributes: Mapping[str, str | int] = {
        **_MESSAGING,
        "messaging.operation.name": "process",
        "messaging.destination.name": queue,
        "job.id": job_id,
        "segment.index": index,
    }
    return _tracer.start_span(f"process {queue}", extract_context(traceparent), SpanKind.CONSUMER, attributes)


# A block in this thread is a part of a span that has been started.
in_span = trace.use_span


@contextmanager
def step_span(name: str) -> Iterator[None]:
    """The span of one step of an attempt, such as `compute`."""
    with _tracer.start_as_current_span(name):
        yield


@contextmanager
def script_span(script: str, parent: Span | None = None) -> Iterator[None]:
    """The span of one script call in the job store. None outside a trace, for example for heartbeats.

    Args:
        script: its name.
        parent: None: the current span.
    """
    parent = parent or trace.get_current_span()
    if not parent.get_span_context().is_valid:
        yield
        return
    attributes = _STORE | {"db.stored_procedure.name": script}
    context = trace.set_span_in_context(parent)
    with _tracer.start_as_current_span(script, context, SpanKind.CLIENT, attributes):
        yield


def emit_lost_attempt_span(lost: LostAttempt, tracer: trace.Tracer = _tracer) -> None:
    """Emits the span of an attempt whose worker disappeared, from its claim to the expiry of its lease."""
    attributes: Mapping[str, str | int] = {
        "job.id": lost.job_id,
        "segment.index": lost.index,
        "segment.attempt": lost.attempt,
    }
    span = tracer.start_span(
        "attempt lost",
        extract_context(lost.traceparent),
        attributes=attributes,
        start_time=_nanoseconds(lost.claimed_ms),
    )
    span.set_status(Status(StatusCode.ERROR, "lease expired: the worker did not extend it"))
    span.end(_nanoseconds(lost.lost_ms))


def emit_job_span(job: Job, tracer: trace.Tracer = _tracer) -> None:
    """Emits the span of a final job, from its submission to its end."""
    span = tracer.start_span(
        "job",
        extract_context(job.traceparent),
        attributes={
            "job.id": job.id,
            "job.status": job.status.value,
            "job.count": job.count,
            "job.attempt": job.attempt,
            "job.queue_seconds": job.queued_for.total_seconds(),
        },
        start_time=_nanoseconds(job.created_at.timestamp() * 1000),
    )
    if job.failure is not None:
        span.set_attribute("error.type", job.failure.reason.value)
    if job.status is JobStatus.FAILED:
        span.set_status(Status(StatusCode.ERROR, job.failure.message if job.failure else None))
    span.end(_nanoseconds((job.finished_at or job.read_at).timestamp() * 1000))


def start_delivery_span(job: Job) -> Span:
    """Starts the span of one delivery to a subscriber, linked to the job's trace. The caller ends it."""
    if not trace.get_current_span().is_recording():
        return trace.INVALID_SPAN
    attributes: Mapping[str, str | int] = {"job.id": job.id, "job.version": job.version, "job.status": job.status.value}
    send_context = trace.get_current_span(extract_context(job.traceparent)).get_span_context()
    links = [Link(send_context)] if job.traceparent else []
    return _tracer.start_span("deliver", attributes=attributes, links=links)


def extract_context(traceparent: str | None) -> Context:
    """The context in the traceparent of a job record or message; an empty context for None."""
    return _PROPAGATOR.extract({"traceparent": traceparent}, Context()) if traceparent else Context()


def _format_traceparent(span: Span) -> str | None:
    """The W3C traceparent header of a span. Five times as fast as an OpenTelemetry propagator."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}" if context.is_valid else None


def _nanoseconds(milliseconds: float) -> int:
    return round(milliseconds * 1_000_000)
