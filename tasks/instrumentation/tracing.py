"""One trace a job: the request that submitted it, the queue, each attempt at each segment, and the end.

    POST /graphql                     the request that submitted it
    └─ send small                     here the trace context is put into the record, and so into every message
       ├─ process small               an attempt: one span for each, on whatever worker
       │  ├─ claim_segment, compute, store, complete_segment; for the last one also checksum
       ├─ attempt lost                what a killed worker could not tell: told by who noticed
       └─ job                         from submission to the final state

Deliveries to subscribers belong to the traces of those who subscribed, and link to the job's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry import propagate, trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from tasks.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.context import Context

    from tasks.jobs import Job, LostAttempt

_tracer = trace.get_tracer("tasks")

# By the conventions for messaging, which know no Celery; its name is allowed.
_MESSAGING = {"messaging.system": "celery"}
_STORE = {"db.system.name": "redis", "db.operation.name": "EVALSHA"}


@contextmanager
def send_span(queue: str | None = None) -> Iterator[str | None]:
    """The span in which a job is submitted; gives the trace context to keep, None while nobody traces.

    Which queue a retried job goes to is for its record to say.
    """
    parent = trace.get_current_span()
    if parent.get_span_context().is_valid and not parent.is_recording():
        # Not sampled: its context goes on, and nothing is gained by a span that nobody will see.
        yield _traceparent_of(parent)
        return
    attributes = _MESSAGING | {"messaging.operation.name": "send"}
    if queue is not None:
        attributes["messaging.destination.name"] = queue
    # Not made the current one, which would cost as much again: nothing below it asks.
    name = "send" if queue is None else f"send {queue}"
    span = _tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=attributes)
    try:
        yield _traceparent_of(span)
    finally:
        span.end()


@contextmanager
def process_span(traceparent: str | None, queue: str, job_id: str, index: int) -> Iterator[Span]:
    """The span of one attempt, in the trace of its job."""
    attributes: Mapping[str, str | int] = {
        **_MESSAGING,
        "messaging.operation.name": "process",
        "messaging.destination.name": queue,
        "job.id": job_id,
        "segment.index": index,
    }
    with _tracer.start_as_current_span(
        f"process {queue}", context_of(traceparent), SpanKind.CONSUMER, attributes
    ) as span:
        yield span


@contextmanager
def step_span(name: str) -> Iterator[None]:
    """The span of one step of an attempt."""
    with _tracer.start_as_current_span(name):
        yield


@contextmanager
def script_span(script: str) -> Iterator[None]:
    """The span of one step in the store. Not for those that belong to no trace, such as heartbeats."""
    if not trace.get_current_span().get_span_context().is_valid:
        yield
        return
    attributes = _STORE | {"db.stored_procedure.name": script}
    with _tracer.start_as_current_span(script, kind=SpanKind.CLIENT, attributes=attributes):
        yield


def emit_lost_attempt_span(lost: LostAttempt, tracer: trace.Tracer = _tracer) -> None:
    """Tell of an attempt whose worker is gone, from its claim to the moment at which it was given up."""
    attributes: Mapping[str, str | int] = {
        "job.id": lost.job_id,
        "segment.index": lost.index,
        "segment.attempt": lost.attempt,
    }
    span = tracer.start_span(
        "attempt lost", context_of(lost.traceparent), attributes=attributes, start_time=_nanoseconds(lost.claimed_ms)
    )
    span.set_status(Status(StatusCode.ERROR, "the worker was silent for too long"))
    span.end(_nanoseconds(lost.lost_ms))


def emit_job_span(job: Job, tracer: trace.Tracer = _tracer) -> None:
    """Tell of a job that is final now, from its submission on."""
    span = tracer.start_span(
        "job",
        context_of(job.traceparent),
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
    """The span of one delivery to a subscriber, with a link to the job's trace; to be ended when it was taken."""
    if not trace.get_current_span().is_recording():
        return trace.INVALID_SPAN
    attributes: Mapping[str, str | int] = {"job.id": job.id, "job.version": job.version, "job.status": job.status.value}
    submitted = trace.get_current_span(context_of(job.traceparent)).get_span_context()
    links = [Link(submitted)] if job.traceparent else []
    return _tracer.start_span("deliver", attributes=attributes, links=links)


def context_of(traceparent: str | None) -> Context:
    """The context that a record or a message carries."""
    return propagate.extract({"traceparent": traceparent} if traceparent else {})


def _traceparent_of(span: Span) -> str | None:
    """The W3C trace context of a span, in its one line; a propagator would take five times as long to write it."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}" if context.is_valid else None


def _nanoseconds(milliseconds: float) -> int:
    return round(milliseconds * 1_000_000)
