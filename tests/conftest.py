"""Shared fixtures: one real Valkey per run, a new key prefix per test, and complete systems.

After each test that got a prefix, every key under it must have a time to live, or be on the list of permanent keys.
"""

from __future__ import annotations

import gc
import os
import ssl
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tasks.settings import JobSettings
from tasks.storage.messages import QUEUES
from tests import in_process, programs
from tests.authenticated import AuthenticatedSystem, with_keys
from tests.otlp import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.otlp import Receiver
    from tests.programs import Program, Valkey

# Collection creates millions of objects and frees few of them. This saves a tenth of its time.
gc.set_threshold(100_000, 50, 100)


def pytest_xdist_auto_num_workers() -> int:
    """Tests wait for a third of their time, for timeouts and other processes: three processes use two cores."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_finish() -> None:
    """What exists now lives as long as the run: no collection of garbage has to look at it again."""
    gc.freeze()


# Celery's own lists of our queues; and API keys, which hold until they are revoked.
PERMANENT_KEYS = {f"_kombu.binding{kind}.{queue}" for kind in ("", "_permanent") for queue in QUEUES} | {"@keys"}


@pytest.fixture(scope="session", autouse=True)
def _results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One folder of results per run, for every program that a test starts; job ids are unique."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESULTS_URL", tmp_path_factory.mktemp("results").as_uri())
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates() -> Iterator[None]:
    """httpx would read the certificates of all authorities for each client: ten times the work of a request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server per run. A test that stops or kills a server starts its own."""
    with programs.valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def redis_client(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def prefix(redis_client: redis.Redis) -> Iterator[str]:
    """A new key prefix. After the test, keys without a time to live fail it, and all keys are deleted."""
    prefix = f"test-{uuid.uuid4().hex}:"
    yield prefix
    keys = [key.decode() for key in redis_client.scan_iter(f"{prefix}*", count=1000)]
    lasting = [key for key in keys if redis_client.ttl(key) == -1 and key.removeprefix(prefix) not in PERMANENT_KEYS]
    if keys:
        redis_client.delete(*keys)
    assert not lasting, f"keys without a time-to-live: {lasting}"


@pytest.fixture
def settings(valkey: Valkey, prefix: str) -> JobSettings:
    return JobSettings(redis_url=valkey.url, key_prefix=prefix)


@dataclass(frozen=True, slots=True)
class System:
    """A complete system: API, worker and Valkey. `url` has no trailing slash."""

    url: str
    valkey: Valkey
    prefix: str
    results_url: str
    worker: Program

    @property
    def graphql(self) -> str:
        return f"{self.url}/graphql"

    @property
    def websocket(self) -> str:
        return self.graphql.replace("http", "ws", 1)


# Exports more often, so that tests wait less for telemetry.
FREQUENT_EXPORT: dict[str, Any] = {"OTEL_METRIC_EXPORT_INTERVAL": "200", "OTEL_BSP_SCHEDULE_DELAY": "100"}


@dataclass(frozen=True, slots=True)
class TracedSystem:
    """A complete system, and a receiver of its telemetry."""

    system: System
    received: Receiver


@contextmanager
def running_system(valkey: Valkey, folder: Path, **environment: Any) -> Iterator[System]:
    """A new system. Its results have their own folder: APIs of other systems delete results that they do not know."""
    prefix = f"{folder.name}-{uuid.uuid4().hex}:"
    results_url = (folder / "results").as_uri()
    environment = {"RESULTS_URL": results_url} | environment
    with (
        programs.worker(folder, valkey.url, prefix, **environment) as worker,
        programs.api(folder, valkey.url, prefix, **environment) as (url, _),
    ):
        yield System(url, valkey, prefix, results_url, worker)


@pytest.fixture(scope="session")
def traced(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedSystem]:
    """One per run, with telemetry enabled. A setting that would add metrics of the old conventions has no effect."""
    folder, options = tmp_path_factory.mktemp("traced"), FREQUENT_EXPORT | {"OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup"}
    with (
        receiver() as received,
        running_system(valkey, folder, **options, OTEL_EXPORTER_OTLP_ENDPOINT=received.endpoint) as system,
    ):
        yield TracedSystem(system, received)


@pytest.fixture(scope="session")
def system(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One per run, with the API in the process of the tests. A test that needs other settings starts its own."""
    folder = tmp_path_factory.mktemp("system")
    prefix, results_url = f"system-{uuid.uuid4().hex}:", (folder / "results").as_uri()
    with (
        programs.worker(folder, valkey.url, prefix, RESULTS_URL=results_url) as worker,
        in_process.api(valkey.url, prefix, RESULTS_URL=results_url) as url,
    ):
        yield System(url, valkey, prefix, results_url, worker)


@pytest.fixture(scope="session")
def authenticated(system: System) -> Iterator[AuthenticatedSystem]:
    """One per run: a second API of the same system, with two API keys."""
    options = {"AUTHENTICATION": "keys", "RESULTS_URL": system.results_url}
    with in_process.api(system.valkey.url, system.prefix, **options) as url:
        yield with_keys(replace(system, url=url))
