"""Authentication by key: revocation, caching, stream limits, expiry, and outages of the key store."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gql.auth.api_keys import KeyStore
from gql.auth.authenticator import Authenticator, NotAuthenticated
from tasks.errors import BackendUnavailable, RateLimited
from tasks.settings import JobSettings
from tests import in_process, programs
from tests.authenticated import bearer_header, create_key, revoke_key
from tests.stopwatch import Stopwatch, own_threads
from tests.waiting import eventually, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import redis

    from tests.authenticated import AuthenticatedSystem
    from tests.programs import Valkey

# Revalidation runs every second; the test machine may be busy.
SECONDS = 10


def test_revoked_key_is_rejected_within_seconds(authenticated: AuthenticatedSystem) -> None:
    key = create_key(authenticated.job_settings, "carol")
    with authenticated.client(key) as client:
        assert client.post("/generate?n=1").status_code == 200
        revoke_key(authenticated.job_settings, key)
        wait_until(lambda: client.post("/generate?n=1").status_code == 401, SECONDS)


def test_new_key_of_the_same_caller_has_access_to_the_same_jobs(authenticated: AuthenticatedSystem) -> None:
    old, new = (create_key(authenticated.job_settings, "dave") for _ in range(2))
    with authenticated.client(old) as before, authenticated.client(new) as after:
        job_id = before.post("/generate?n=1").json()["request_id"]
        revoke_key(authenticated.job_settings, old)
        assert after.get(f"/status/{job_id}").status_code == 200


async def test_key_record_is_cached_between_requests(settings: JobSettings, redis_client: redis.Redis) -> None:
    authenticator, key = await connected_authenticator(settings)
    sessions = [await authenticator.authenticate(f"Bearer {key}")]
    before = commands(redis_client)
    sessions += [await authenticator.authenticate(f"bearer {key}") for _ in range(20)]
    # Nor does a wrong secret for a cached key query the store.
    with pytest.raises(NotAuthenticated):
        await authenticator.authenticate(f"Bearer {key[:-1]}{'A' if key[-1] != 'A' else 'B'}")
    assert commands(redis_client) - before <= 1
    assert {session.caller.owner for session in sessions} == {"key:erin"}
    await authenticator.stop()


async def test_open_streams_of_a_caller_are_limited(settings: JobSettings) -> None:
    authenticator, key = await connected_authenticator(settings, max_streams=2)
    first, second = [await authenticator.authenticate(f"Bearer {key}") for _ in range(2)]
    with ExitStack() as streams:
        streams.enter_context(first.streaming())
        with second.streaming(), pytest.raises(RateLimited, match="2 streams are open, the maximum for one caller"):
            streams.enter_context(first.streaming())
        streams.enter_context(second.streaming())
    await authenticator.stop()


def test_expired_credentials_end_the_session(settings: JobSettings) -> None:
    async def expire() -> None:
        authenticator, key = await connected_authenticator(settings)
        authenticator.start()
        session = await authenticator.authenticate(f"Bearer {key}")
        session.expires_at = 1
        with session.revalidating():
            await asyncio.wait_for(session.ended.wait(), SECONDS)
        await authenticator.stop()

    asyncio.run(expire())


async def test_store_outage_keeps_open_sessions_and_refuses_new_ones(tmp_path: Path, prefix: str) -> None:
    with programs.valkey(tmp_path) as server:
        settings = job_settings(server, prefix)
        authenticator, key = await connected_authenticator(settings)
        authenticator.start()
        session = await authenticator.authenticate(f"Bearer {key}")
        with session.revalidating():
            server.freeze()

            async def is_refused() -> bool:
                try:
                    await authenticator.authenticate(f"Bearer {key}")
                except BackendUnavailable:
                    return True
                return False

            await eventually(is_refused)
            assert not session.ended.is_set()
            server.thaw()

            async def is_accepted() -> bool:
                return not await is_refused()

            await eventually(is_accepted)
            assert not session.ended.is_set()
        await authenticator.stop()


UNAVAILABLE = "the job store is unavailable"
PROBLEM = {"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": UNAVAILABLE}
GRAPHQL_ERROR = {"message": UNAVAILABLE, "extensions": {"code": "BACKEND_UNAVAILABLE", "retryAfterMs": 1_000}}


@pytest.mark.parametrize(("path", "body"), [("/generate?n=1", PROBLEM), ("/graphql", {"errors": [GRAPHQL_ERROR]})])
def test_store_outage_is_503_within_2_5_seconds(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    with programs.valkey(tmp_path) as server:
        key = create_key(job_settings(server, "outage:"), "carol")
        with in_process.api(server.url, "outage:", AUTHENTICATION="keys") as url:
            server.freeze()
            with Stopwatch(*own_threads()) as watch:
                answer = httpx.post(
                    f"{url}{path}", json={"query": "{ __typename }"}, headers=bearer_header(key), timeout=30
                )
            assert httpx.get(f"{url}/livez").is_success
            server.thaw()
    assert watch.seconds < 2.5
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == body


def job_settings(valkey: Valkey, prefix: str) -> JobSettings:
    return JobSettings(redis_url=valkey.url, key_prefix=prefix)


async def connected_authenticator(settings: JobSettings, max_streams: int = 10) -> tuple[Authenticator, str]:
    store = KeyStore.connect(settings)
    return Authenticator(store, None, max_streams), await store.create("erin")


def commands(client: redis.Redis) -> int:
    found: dict[str, Any] = client.info("commandstats")
    return sum(found.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("hget", "hmget"))
