"""The probes /livez and /readyz."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, cast

import httpx
import pytest
import redis

from tests import in_process, programs
from tests.programs import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System
    from tests.programs import Valkey


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
    with programs.valkey(tmp_path, None, None, **options) as server, in_process.api(server.url, "x:") as url:
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
