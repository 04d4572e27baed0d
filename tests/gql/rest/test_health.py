"""The probes /livez and /readyz."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import httpx
import obstore
import pytest
import redis

from gql.rest import health
from gql.rest.health import ResultStoreCheck
from tasks.errors import ResultStoreUnavailable
from tasks.results import object_store
from tasks.results.object_store import ObjectStore
from tests import in_process, programs
from tests.programs import free_port
from tests.stopwatch import Stopwatch
from tests.tasks.results import buckets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import System
    from tests.programs import Valkey
    from tests.tasks.results.buckets import Bucket


def test_a_healthy_system_is_ready(system: System) -> None:
    response = httpx.get(f"{system.url}/readyz")
    assert response.status_code == 200
    checks = response.json()["checks"]
    memory = checks.pop("memory")
    assert (memory["ok"], memory["usedBytes"] > 0, memory["maxBytes"]) == (True, True, None)
    assert checks.pop("queue")["ok"] is True
    assert (response.json()["status"], checks) == (
        "ready",
        {
            "broker": {"ok": True},
            "persistence": {"ok": True},
            "workers": {"ok": True, "count": 1},
            "results": {"ok": True},
        },
    )
    assert httpx.get(f"{system.url}/livez").json() == {"status": "alive"}


def test_without_workers_the_system_is_ready_with_a_failed_check(valkey: Valkey) -> None:
    with in_process.api(valkey.url, "no-worker:") as url:
        response = httpx.get(f"{url}/readyz")
    assert response.status_code == 200
    assert response.json()["checks"]["workers"]["ok"] is False
    assert "celery -A tasks worker" in response.json()["checks"]["workers"]["reason"]


def test_an_unwritable_result_store_fails_its_check(valkey: Valkey, tmp_path: Path) -> None:
    """Small jobs still complete, so the system stays ready."""
    with in_process.api(valkey.url, "x:", RESULTS_URL=(tmp_path / "results").as_uri()) as url:
        shutil.rmtree(tmp_path / "results")
        (tmp_path / "results").write_text("not a folder", encoding="utf-8")
        response = httpx.get(f"{url}/readyz")
    assert response.status_code == 200
    assert response.json()["checks"]["results"]["ok"] is False
    assert "result store" in response.json()["checks"]["results"]["reason"]


@pytest.mark.parametrize(
    ("options", "check", "ok", "text"),
    [
        ({"appendonly": "no"}, "persistence", True, "its restart would lose all jobs"),
        ({"maxmemory": "900mb", "maxmemory-policy": "allkeys-lru"}, "memory", False, "set noeviction"),
    ],
)
def test_risky_settings_of_the_job_store_are_reported(
    tmp_path: Path, options: dict[str, str], check: str, ok: bool, text: str
) -> None:
    with programs.valkey(tmp_path, None, None, None, **options) as server, in_process.api(server.url, "x:") as url:
        response = httpx.get(f"{url}/readyz")
    assert response.status_code == 200
    found = response.json()["checks"][check]
    assert found["ok"] is ok
    assert text in found["warning" if ok else "reason"]


def test_a_nearly_full_job_store_fails_the_memory_check(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as server, in_process.api(server.url, "x:") as url:
        with redis.Redis.from_url(server.url) as client:
            used = int(client.info("memory")["used_memory"])
            client.config_set("maxmemory", used + used // 20)
        found = httpx.get(f"{url}/readyz").json()["checks"]["memory"]
    assert found["ok"] is False
    assert "nearly full" in found["reason"]
    assert 0.9 * found["maxBytes"] < found["usedBytes"]


def test_a_segment_due_for_over_a_minute_fails_the_queue_check(
    valkey: Valkey, redis_client: redis.Redis, prefix: str
) -> None:
    with in_process.api(valkey.url, prefix) as url:
        httpx.post(f"{url}/generate?n=10").raise_for_status()
        before = httpx.get(f"{url}/readyz").json()["checks"]["queue"]
        sent = f"{prefix}sent:small"
        [member] = cast("list[bytes]", redis_client.zrange(sent, 0, 0))
        redis_client.zincrby(sent, -61_000, member)
        after = httpx.get(f"{url}/readyz").json()["checks"]["queue"]
    assert (before["ok"], after["ok"]) == (True, False)
    assert 61 <= after["oldestDueSeconds"] < 100
    assert f"has been due for {after['oldestDueSeconds']} s" in after["reason"]


def test_without_a_job_store_the_process_is_alive_but_not_ready() -> None:
    with in_process.api(f"redis://127.0.0.1:{free_port()}/0", "x:") as url:
        response = httpx.get(f"{url}/readyz")
        assert httpx.get(f"{url}/livez").is_success
    assert response.status_code == 503
    assert response.json()["checks"]["broker"] == {"ok": False, "reason": "the job store is unavailable"}


# The check of the result store, which a worker's write is the measure of


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(health, "_RESULT_STORE_SECONDS", 0.1)
    with buckets.bucket() as running:
        for name, value in (buckets.ENVIRONMENT | {"AWS_ENDPOINT_URL": running.endpoint}).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(autouse=True)
def _short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_WRITE_RETRY_DELAYS", (0.01, 0.01))


def of_bucket(seconds: float = 2) -> ResultStoreCheck:
    """A check whose worker would wait for each write for the given time."""
    return ResultStoreCheck(ObjectStore.connect(f"s3://{buckets.NAME}", timedelta(seconds=seconds)).check)


async def ended(check: ResultStoreCheck) -> dict[str, Any]:
    """The outcome of the check that runs now."""
    while "not responded" in str(outcome := await check.outcome()):
        pass
    return outcome


@pytest.mark.parametrize(
    ("failure", "reason"),
    [((403, "AccessDenied"), "denied access"), ((404, "NoSuchBucket"), "does not exist"), ((507, "x"), "is full")],
)
async def test_refusing_bucket_fails_the_check(bucket: Bucket, failure: tuple[int, str], reason: str) -> None:
    bucket.failure = failure
    outcome = await ended(of_bucket())
    assert outcome["ok"] is False
    assert reason in outcome["reason"]
    bucket.failure = None


async def test_bucket_that_answers_as_slowly_as_a_worker_tolerates_passes_the_check(bucket: Bucket) -> None:
    """Probes do not wait for it."""
    check = of_bucket()
    assert await ended(check) == {"ok": True}
    bucket.delay = 0.7
    with Stopwatch() as watch:
        outcome = await check.outcome()
    assert watch.seconds < 0.7
    assert outcome["ok"] is True
    assert "the result store has not responded for 0." in outcome["warning"]
    assert await ended(check) == {"ok": True}


async def test_failures_that_a_worker_tolerates_pass_the_check(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    objects, attempts = ObjectStore.connect((tmp_path / "results").as_uri()), 0
    put = objects.put

    async def put_at_the_third_attempt(name: str, data: bytes) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ResultStoreUnavailable("the result store does not answer")
        await put(name, data)

    objects.put = put_at_the_third_attempt  # type: ignore[method-assign]
    assert await ResultStoreCheck(objects.check).outcome() == {"ok": True}


async def test_silent_bucket_fails_the_check_when_a_worker_gives_up(bucket: Bucket) -> None:
    check = of_bucket(0.2)
    bucket.unresponsive.set()
    first = await check.outcome()
    assert (first["ok"], "has not responded" in first["reason"]) == (False, True)
    outcome = await ended(check)
    assert outcome["ok"] is False
    assert "does not answer" in outcome["reason"]


async def test_probes_share_one_check(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_RESULT_STORE_SECONDS", 10)
    bucket.delay = 0.05
    check = of_bucket()
    assert await asyncio.gather(*(check.outcome() for _ in range(20))) == [{"ok": True}] * 20
    assert len(bucket.requests) == 1


async def test_bucket_without_a_server_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (buckets.ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}).items():
        monkeypatch.setenv(name, value)
    outcome = await ended(of_bucket(0.2))
    assert outcome["ok"] is False
    assert "does not answer" in outcome["reason"]


async def test_folder_that_was_removed_passes_the_check_as_a_write_does(tmp_path: Path) -> None:
    objects = ObjectStore.connect((tmp_path / "results").as_uri())
    (tmp_path / "results").rmdir()
    assert await ResultStoreCheck(objects.check).outcome() == {"ok": True}
    (tmp_path / "results" / "can-be-written").unlink()
    (tmp_path / "results").rmdir()
    await objects.put("job/0", b"x")


async def test_folder_that_cannot_be_synced_to_disk_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "fsync", refuse)
    outcome = await ResultStoreCheck(ObjectStore.connect(tmp_path.as_uri()).check).outcome()
    assert outcome["ok"] is False


async def test_full_or_read_only_folder_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = ResultStoreCheck(ObjectStore.connect(tmp_path.as_uri()).check)
    for number, reason in ((errno.ENOSPC, "is full"), (errno.EROFS, "denied access")):

        def refuse(*_: object, number: int = number, **__: object) -> None:
            raise OSError(number, "no")

        monkeypatch.setattr(obstore, "put_async", refuse)
        outcome = await check.outcome()
        assert (outcome["ok"], reason in outcome["reason"]) == (False, True)
