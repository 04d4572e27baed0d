"""The users of the job store: the system works with them, and each is denied what its role does not need."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import redis

from gql.auth.api_keys import KeyStore
from tasks import acl, store_check
from tasks.settings import JobSettings
from tests import in_process, programs
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Valkey

PREFIX = "guarded:"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    acl.write_credentials(folder, PREFIX)
    return folder


@pytest.fixture(scope="module")
def server(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with programs.valkey(tmp_path_factory.mktemp("valkey"), aclfile=str(secrets / "store" / "users.acl")) as server:
        yield server


def user(server: Valkey, secrets: Path, name: str) -> redis.Redis:
    path = secrets / "store" / "admin" if name == "admin" else secrets / name / "password"
    return redis.Redis(port=server.port, username=name, password=path.read_text(encoding="utf-8"))


def as_user(server: Valkey, name: str) -> str:
    return server.url.replace("redis://", f"redis://{name}@")


@contextmanager
def system(server: Valkey, secrets: Path, folder: Path) -> Iterator[str]:
    api: dict[str, Any] = {"REDIS_PASSWORD_FILE": str(secrets / "api" / "password"), "AUTHENTICATION": "keys"}
    worker = {"REDIS_PASSWORD_FILE": str(secrets / "worker" / "password")}
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--without-gossip", "--without-mingle"]
    environment = {"REDIS_URL": as_user(server, "worker"), "KEY_PREFIX": PREFIX, **worker}

    def registered() -> bool:
        with user(server, secrets, "admin") as client:
            return bool(client.zcard(f"{PREFIX}workers"))

    with (
        programs.running([*command, "--concurrency", "1"], folder, registered, **environment),
        in_process.api(as_user(server, "api"), PREFIX, **api) as url,
    ):
        yield url


def test_system_works_without_denied_commands(server: Valkey, secrets: Path, tmp_path: Path) -> None:
    settings = JobSettings(
        redis_url=as_user(server, "api"), redis_password_file=secrets / "api" / "password", key_prefix=PREFIX
    )

    async def created() -> str:
        store = KeyStore.connect(settings)
        try:
            return await store.create("alice")
        finally:
            await store.close()

    headers = {"Authorization": f"Bearer {asyncio.run(created())}"}
    with system(server, secrets, tmp_path) as url, httpx.Client(base_url=url, headers=headers, timeout=40) as client:
        for count in (10, 20_000):
            job_id = client.post(f"/generate?n={count}").json()["request_id"]
            answer = client.get(f"/status/{job_id}", headers={"Prefer": "wait=20"}).json()
            assert answer["status"] == "complete"
            assert len(answer["result"]) == count
        query = 'subscription { jobCompleted(id: "%s") { ... on JobUpdate { job { status } } } }' % job_id  # noqa: UP031
        assert (
            "SUCCEEDED" in client.post("/graphql", json={"query": query}, headers={"Accept": "text/event-stream"}).text
        )
        assert client.post("/graphql", json={"query": "{ jobs { totalCount } system { at } }"}).json()["data"]
        assert client.get("/readyz").is_success
    with user(server, secrets, "admin") as admin:
        log = {(entry["username"], entry["object"]) for entry in admin.acl_log()}
        assert {(name, denied) for name, denied in log if name != "default"} == set()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        *[(name, command) for name in ("api", "worker") for command in (
            ["CONFIG", "GET", "*"], ["FLUSHALL"], ["FLUSHDB"], ["KEYS", "*"], ["SHUTDOWN"], ["ACL", "LIST"],
            ["MONITOR"], ["GET", "another:key"], ["SET", "another:key", "x"], ["SUBSCRIBE", "another:events"],
            ["EVAL", "return redis.call('GET', 'another:key')", "0"],
        )],
        ("worker", ["HGETALL", f"{PREFIX}@keys"]),
        ("worker", ["HSET", f"{PREFIX}@keys", "x", "y"]),
        ("worker", ["EVAL", f"return redis.call('HGETALL', '{PREFIX}@keys')", "0"]),
        ("worker", ["GET", f"{PREFIX}@rates:x"]),
        ("worker", ["SUBSCRIBE", f"{PREFIX}events"]),
    ],
    ids=str,
)  # fmt: skip
def test_role_is_denied_commands_and_keys_it_does_not_need(
    server: Valkey, secrets: Path, name: str, command: list[str]
) -> None:
    with user(server, secrets, name) as client:
        assert client.ping()
        with pytest.raises((redis.exceptions.NoPermissionError, redis.exceptions.ResponseError), match="permission"):
            client.execute_command(*command)
    with user(server, secrets, "admin") as admin:
        admin.acl_log_reset()


def test_programs_with_another_prefix_say_what_is_wrong(server: Valkey, secrets: Path) -> None:
    """They exit, or are not ready if the permission was taken from them later."""
    for role in ("api", "worker"):
        settings = JobSettings(
            redis_url=as_user(server, role), redis_password_file=secrets / role / "password", key_prefix="other:"
        )
        text = "^error: KEY_PREFIX is other:: the user of the job store has no permission for it: No permissions"
        with pytest.raises(SystemExit, match=text):
            store_check.check_or_exit(settings)
    password: dict[str, Any] = {"REDIS_PASSWORD_FILE": str(secrets / "api" / "password")}
    with in_process.api(as_user(server, "api"), "other:", **password) as url:
        broker = httpx.get(f"{url}/readyz").json()["checks"]["broker"]
        detail = httpx.post(f"{url}/generate?n=10").json()["detail"]
    assert broker == {"ok": False, "reason": "the job store is unavailable: its user lacks a permission"}
    assert detail == broker["reason"]
    with user(server, secrets, "admin") as admin:
        admin.acl_log_reset()


def test_unauthenticated_client_can_only_ping(server: Valkey) -> None:
    assert server.responds()
    with redis.Redis(port=server.port) as unauthenticated:
        for command in (
            ["GET", f"{PREFIX}x"],
            ["INFO"],
            ["EVAL", "return 1", "0"],
            ["PUBLISH", f"{PREFIX}events", "x"],
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                unauthenticated.execute_command(*command)


def test_passwords_are_created_once_and_readable_by_their_role_only(tmp_path: Path) -> None:
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "tasks.acl", str(tmp_path)], cwd=ROOT, check=True, timeout=60)
        found = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
        assert found.keys() == {"store/users.acl", "store/admin", "api/password", "worker/password"}
        passwords = {name: path.read_text(encoding="utf-8") for name, path in found.items() if "acl" not in name}
        users = found["store/users.acl"].read_text(encoding="utf-8")
    assert len(set(passwords.values())) == 3
    assert not any(password in users for password in passwords.values())
    assert stat.S_IMODE(found["api/password"].stat().st_mode) == 0o400
    acl.write_credentials(tmp_path, "other:")
    assert {name: path.read_text(encoding="utf-8") for name, path in found.items() if "acl" not in name} == passwords
