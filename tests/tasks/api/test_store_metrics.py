"""Counters of the store are exact, and its metrics have a bounded number of series."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import redis
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tasks import errors
from tasks.api.store_metrics import StoreMetrics
from tasks.callers import ANYONE
from tasks.jobs import FailureReason, JobStatus
from tasks.requests import PrimesRequest
from tasks.settings.store_url import StoreUrl
from tests.clients import post
from tests.tasks.keys import fake_result, grant_claim, reconcile
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.api.job_store import JobStore
    from tasks.settings import JobSettings
    from tasks.worker.job_recorder import JobRecorder
    from tests.conftest import TracedSystem
    from tests.tasks.keys import Keys


@pytest.fixture
def store_metrics(settings: JobSettings) -> Iterator[StoreMetrics]:
    store_metrics = StoreMetrics.connect(settings)
    yield store_metrics
    store_metrics.close()


async def test_each_transition_is_counted_once(
    store: JobStore, recorder: JobRecorder, store_metrics: StoreMetrics, keys: Keys, settings: JobSettings
) -> None:
    done, cancelled, failed, lost = [(await store.submit_job(PrimesRequest(10), ANYONE)).job for _ in range(4)]
    large = (await store.submit_job(PrimesRequest(20_000, idempotency_key="key"), ANYONE)).job
    await store.submit_job(PrimesRequest(20_000, idempotency_key="key"), ANYONE)
    with pytest.raises(errors.IdempotencyConflict):
        await store.submit_job(PrimesRequest(20_001, idempotency_key="key"), ANYONE)
    claim = grant_claim(recorder, done)
    recorder.complete_segment(claim, fake_result())
    recorder.complete_segment(claim, fake_result())
    recorder.extend_lease(claim)
    await store.cancel_job(cancelled.id, ANYONE)
    recorder.fail_job(grant_claim(recorder, failed), FailureReason.INTERNAL, "text")
    for _ in range(settings.max_attempts):
        keys.drop_messages()
        grant_claim(recorder, lost)
        keys.expire_leases()
        reconcile(recorder)
    snapshot = store_metrics.read_snapshot()
    assert snapshot.counters == {
        ("submissions", "small", "created"): 4,
        ("submissions", "large", "created"): 1,
        ("submissions", "large", "replayed"): 1,
        ("submissions", "large", "conflict"): 1,
        ("finished", "small", "SUCCEEDED"): 1,
        ("finished", "small", "CANCELLED"): 1,
        ("finished", "small", "FAILED", "INTERNAL"): 1,
        ("finished", "small", "FAILED", "WORKER_LOST"): 1,
        ("claims", "small"): 2 + settings.max_attempts,
        ("fenced", "complete_segment"): 1,
        ("fenced", "extend_lease"): 1,
        ("leases_expired",): settings.max_attempts,
        ("resent",): settings.max_attempts - 1,
    }
    assert (snapshot.queue.queued, snapshot.queue.running, snapshot.depths) == (1, 0, {"small": 0, "large": 1})
    assert large.status is JobStatus.QUEUED
    assert keys.ttl_ms("counters") > 0


async def test_refused_submission_is_counted(
    store: JobStore, store_metrics: StoreMetrics, settings: JobSettings
) -> None:
    small = type(store).connect(settings.model_copy(update={"queue_capacity": 1}))
    await small.submit_job(PrimesRequest(10), ANYONE)
    with pytest.raises(errors.QueueFull):
        await small.submit_job(PrimesRequest(10), ANYONE)
    await small.close()
    assert store_metrics.read_snapshot().counters["submissions", "small", "full"] == 1


def test_unavailable_store_reports_no_metrics(settings: JobSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("tasks.api.store_metrics.metrics.get_meter", provider.get_meter)
    nowhere = settings.model_copy(update={"redis_url": StoreUrl(port=1)})
    store_metrics = StoreMetrics.connect(nowhere)
    store_metrics.create_instruments()
    data = reader.get_metrics_data()
    received = [
        point
        for of_resource in (data.resource_metrics if data else ())
        for scope in of_resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]
    assert received == []
    with pytest.raises(redis.ConnectionError):
        store_metrics.read_snapshot()
    store_metrics.close()


# Above the number of attribute values in docs/observability.md, and below one for each request.
MAX_SERIES_PER_METRIC = 60


def test_random_load_creates_a_bounded_number_of_series(traced: TracedSystem) -> None:
    """Ids, counts, names and documents chosen by clients must not become attribute values."""
    chosen = random.Random(4)
    for i in range(150):
        count, name = chosen.randint(-3, 5000), f"Op{chosen.randint(0, 10**9)}"
        fields = "__typename ... on GeneratePrimesAccepted { job { id } }"
        match i % 5:
            case 0:
                query = f"mutation {name} {{ a{i}: generatePrimes(input: {{count: {count}}}) {{ {fields} }} }}"
            case 1:
                query = f"query {name} {{ field{i} }}"
            case 2:
                query = f'query {name} {{ job(id: "{name}") {{ __typename }} }}'
            case 3:
                query = f"{{ jobs(first: {count}) {{ totalCount }} }}"
            case _:
                query = name
        post(traced.system, query)
    received = traced.received
    received.catch_up()
    wait_until(lambda: received.total("graphql.server.operation.duration") >= 150)
    by_metric = {name: len(received.series_of(name)) for _, name, _ in received.series}
    assert {name: count for name, count in by_metric.items() if count > MAX_SERIES_PER_METRIC} == {}
    texts = {text for _, _, labels in received.series for _, text in labels}
    assert not [text for text in texts if text.startswith(("Op", "field", "a1"))]
    assert not [text for text in texts if len(text) == 36]
