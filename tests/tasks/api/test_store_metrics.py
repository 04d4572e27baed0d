"""What the store counts is exact, and what is told of it has a bounded number of series."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import redis
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tasks import errors
from tasks.api.store_metrics import StoreMetrics
from tasks.jobs import FailureReason, JobStatus
from tasks.requests import PrimesRequest
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
def gauges(settings: JobSettings) -> Iterator[StoreMetrics]:
    gauges = StoreMetrics.connect(settings)
    yield gauges
    gauges.close()


async def test_each_step_is_counted_where_it_is_done(
    store: JobStore, recorder: JobRecorder, gauges: StoreMetrics, keys: Keys, settings: JobSettings
) -> None:
    done, cancelled, failed, lost = [(await store.submit_job(PrimesRequest(10))).job for _ in range(4)]
    large = (await store.submit_job(PrimesRequest(20_000, idempotency_key="key"))).job
    await store.submit_job(PrimesRequest(20_000, idempotency_key="key"))
    with pytest.raises(errors.IdempotencyConflict):
        await store.submit_job(PrimesRequest(20_001, idempotency_key="key"))
    claim = grant_claim(recorder, done)
    recorder.complete_segment(claim, fake_result())
    recorder.complete_segment(claim, fake_result())
    recorder.extend_lease(claim)
    await store.cancel_job(cancelled.id)
    recorder.fail_job(grant_claim(recorder, failed), FailureReason.INTERNAL, "text")
    for _ in range(settings.max_attempts):
        keys.drop_messages()
        grant_claim(recorder, lost)
        keys.expire_leases()
        reconcile(recorder)
    measures = gauges.read_snapshot()
    assert measures.counters == {
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
    assert (measures.queue.queued, measures.queue.running, measures.depths) == (1, 0, {"small": 0, "large": 1})
    assert large.status is JobStatus.QUEUED
    assert keys.ttl_ms("counters") > 0


async def test_a_refusal_is_counted(store: JobStore, gauges: StoreMetrics, settings: JobSettings) -> None:
    small = type(store).connect(settings.model_copy(update={"queue_capacity": 1}))
    await small.submit_job(PrimesRequest(10))
    with pytest.raises(errors.QueueFull):
        await small.submit_job(PrimesRequest(10))
    await small.close()
    assert gauges.read_snapshot().counters["submissions", "small", "full"] == 1


def test_without_the_store_there_are_no_figures_rather_than_wrong_ones(
    settings: JobSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("tasks.api.store_metrics.metrics.get_meter", provider.get_meter)
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    gauges = StoreMetrics.connect(nowhere)
    gauges.create_instruments()
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
        gauges.read_snapshot()
    gauges.close()


# More than there are words in the table, and less than one for each request.
MOST_SERIES_OF_ONE_METRIC = 60


def test_random_load_makes_no_more_series_than_there_are_words(traced: TracedSystem) -> None:
    """Neither ids, counts, names nor documents that clients choose may become labels."""
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
    assert {name: count for name, count in by_metric.items() if count > MOST_SERIES_OF_ONE_METRIC} == {}
    texts = {text for _, _, labels in received.series for _, text in labels}
    assert not [text for text in texts if text.startswith(("Op", "field", "a1"))]
    assert not [text for text in texts if len(text) == 36]
