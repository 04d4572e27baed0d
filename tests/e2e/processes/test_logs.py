"""What API and worker log, and what they export."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests import programs
from tests.clients import data, finished_job
from tests.conftest import System
from tests.otlp import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.otlp import Receiver
    from tests.programs import Program, Valkey


@contextmanager
def running(valkey: Valkey, folder: Path, **options: Any) -> Iterator[tuple[System, Program]]:
    """A system and its API."""
    prefix, options = f"logs-{uuid.uuid4().hex}:", {"RESULTS_URL": (folder / "results").as_uri()} | options
    with (
        programs.worker(folder, valkey.url, prefix, 1, (), **options) as worker,
        programs.api(folder, valkey.url, prefix, None, **options) as (url, api),
    ):
        yield System(url, valkey, prefix, options["RESULTS_URL"], worker), api


@dataclass(frozen=True, slots=True)
class Exported:
    """What a system with one job had written and exported when it had ended."""

    api: str
    worker: str
    received: Receiver
    job_id: str
    trace_id: str


@pytest.fixture(scope="module", params=["text", "json"])
def exported(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Exported:
    options = {"OTEL_LOGS_EXPORTER": "otlp", "LOG_FORMAT": request.param, "LOG_LEVEL": "INFO"}
    with receiver() as received:
        options |= {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint}
        with running(valkey, tmp_path_factory.mktemp("logs"), **options) as (system, api):
            job_id = finished_job(system, 10)
            query = "query ($id: ID!) { job(id: $id) { ... on Job { traceId } } }"
            trace_id = data(system, query, id=job_id)["job"]["traceId"]
    return Exported(api.output(), system.worker.output(), received, job_id, trace_id)


@pytest.mark.parametrize("exported", ["json"], indirect=True)
def test_api_and_worker_write_only_json(exported: Exported) -> None:
    lines = [json.loads(text) for text in exported.api.splitlines()]
    assert any("POST /graphql" in found["message"] for found in lines)
    # Before logging is configured, Celery warns about running as root and prints its banner.
    lines = [json.loads(text) for text in exported.worker.splitlines() if text.startswith("{")]
    assert [found["level"] for found in lines if found.get("job_id") == exported.job_id] == ["INFO"]


def test_log_records_are_exported_with_their_trace_id_when_enabled(exported: Exported) -> None:
    """They are also written as usual, and the final flush exports the last ones."""
    [finished] = [line for line in exported.received.logs if line.attributes.get("job_id") == exported.job_id]
    assert (finished.service, finished.severity, finished.trace_id) == ("primes-worker", "INFO", exported.trace_id)
    assert finished.text in exported.worker
    requests = [line.text for line in exported.received.logs if "POST /graphql" in line.text]
    assert 0 < len(requests) == exported.api.count("POST /graphql")


def test_lines_below_the_level_are_not_written(valkey: Valkey, tmp_path: Path) -> None:
    with running(valkey, tmp_path, LOG_LEVEL="WARNING") as (system, api):
        job = finished_job(system, 10)
    assert job not in system.worker.output()
    assert "POST /graphql" not in api.output()
