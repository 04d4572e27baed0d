"""Who was let in stays no longer than the key holds: each stream ends within seconds, and says why."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from gql.auth.api_keys import KeyStore
from gql.auth.authenticator import Authenticator, NotAuthenticated
from tasks.errors import BackendUnavailable, RateLimited
from tasks.settings import JobSettings
from tests import programs
from tests.authenticated import bearer_header, create_key, revoke_key
from tests.waiting import eventually, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import redis

    from tests.authenticated import AuthenticatedSystem
    from tests.programs import Valkey

SSE = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionSpec=1.0"
STATS = {"query": "subscription { systemStats(intervalMs: 3600000) { at } }"}

# A second until it is noticed; this machine may be busy.
SECONDS = 10


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
def test_a_revoked_key_ends_its_event_streams(authenticated: AuthenticatedSystem, accept: str) -> None:
    key = create_key(authenticated.job_settings, "carol")
    text = ""
    with (
        authenticated.client(key) as client,
        client.stream("POST", "/graphql", json=STATS, headers={"Accept": accept}) as it,
    ):
        for piece in it.iter_text():
            text += piece
            if '"at"' in text and key:
                revoke_key(authenticated.job_settings, key)
                key = ""
    assert '"UNAUTHENTICATED"' in text
    assert text.rstrip().endswith("--graphql--" if accept == MULTIPART else "event: complete\ndata:")


async def test_a_revoked_key_closes_its_websockets_and_no_others(authenticated: AuthenticatedSystem) -> None:
    key = await asyncio.to_thread(create_key, authenticated.job_settings, "carol")
    other = await asyncio.to_thread(create_key, authenticated.job_settings, "carol")
    async with subscribed(authenticated, key) as ending, subscribed(authenticated, other) as going_on:
        await asyncio.to_thread(revoke_key, authenticated.job_settings, key)
        with pytest.raises(websockets.ConnectionClosedError):
            await closed(ending)
        assert ending.close_code == 4403
        await going_on.send('{"type": "ping"}')
        assert json.loads(await asyncio.wait_for(going_on.recv(), SECONDS))["type"] == "pong"


def test_a_revoked_key_opens_nothing_any_more(authenticated: AuthenticatedSystem) -> None:
    key = create_key(authenticated.job_settings, "carol")
    with authenticated.client(key) as client:
        assert client.post("/generate?n=1").status_code == 200
        revoke_key(authenticated.job_settings, key)
        wait_until(lambda: client.post("/generate?n=1").status_code == 401, SECONDS)


def test_a_revoked_key_s_download_goes_no_further(authenticated: AuthenticatedSystem) -> None:
    key = create_key(authenticated.job_settings, "carol")
    with authenticated.client(key) as client:
        # 27 MB as text: more than the connection takes in on its way.
        job_id = client.post("/generate?n=3000000").json()["request_id"]
        query = f'{{ job(id: "{job_id}", waitMs: 20000) {{ status }} }}'
        answer = client.post("/graphql", json={"query": query}, timeout=40).json()
        assert answer == {"data": {"job": {"status": "SUCCEEDED"}}}
        with client.stream("GET", f"/jobs/{job_id}/primes.csv", headers={"Accept-Encoding": "identity"}) as download:
            pieces = download.iter_raw()
            assert next(pieces).startswith(b"prime")
            revoke_key(authenticated.job_settings, key)
            wait_until(
                lambda: f"key {key.split('_')[1]} was revoked" in authenticated.system.api.output(),
                SECONDS,
                lambda: authenticated.system.api.output()[-3000:],
            )
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in pieces:
                    pass


def test_a_new_key_of_the_same_caller_reaches_the_same_jobs(authenticated: AuthenticatedSystem) -> None:
    old, new = (create_key(authenticated.job_settings, "dave") for _ in range(2))
    with authenticated.client(old) as before, authenticated.client(new) as after:
        job_id = before.post("/generate?n=1").json()["request_id"]
        revoke_key(authenticated.job_settings, old)
        assert after.get(f"/status/{job_id}").status_code == 200


async def test_a_key_is_looked_up_once_for_many_requests(settings: JobSettings, redis_client: redis.Redis) -> None:
    keeper, key = await authenticator(settings)
    passes = [await keeper.admit(f"Bearer {key}")]
    before = commands(redis_client)
    passes += [await keeper.admit(f"bearer {key}") for _ in range(20)]
    # A wrong secret for a known key asks nobody either.
    with pytest.raises(NotAuthenticated):
        await keeper.admit(f"Bearer {key[:-1]}{'A' if key[-1] != 'A' else 'B'}")
    assert commands(redis_client) - before <= 1
    assert {admitted.caller.owner for admitted in passes} == {"key:erin"}
    await keeper.stop()


async def test_a_caller_has_so_many_streams_and_no_more(settings: JobSettings) -> None:
    keeper, key = await authenticator(settings, most_streams=2)
    admitted, again = await keeper.admit(f"Bearer {key}"), await keeper.admit(f"Bearer {key}")
    with ExitStack() as streams:
        streams.enter_context(admitted.streaming())
        with again.streaming(), pytest.raises(RateLimited, match="2 streams"):
            streams.enter_context(admitted.streaming())
        streams.enter_context(again.streaming())
    await keeper.stop()


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
def test_one_stream_too_many_is_an_error_in_it(valkey: Valkey, prefix: str, tmp_path: Path, accept: str) -> None:
    with programs.api(tmp_path, valkey.url, prefix, AUTHENTICATION="keys", MAX_SUBSCRIPTIONS_PER_CALLER="1") as (
        url,
        _,
    ):
        key = create_key(job_settings(valkey, prefix), "carol")
        headers = bearer_header(key) | {"Accept": accept}
        with httpx.stream("POST", f"{url}/graphql", json=STATS, headers=headers) as first:
            lines = first.iter_lines()
            assert any('"at"' in line for line in lines)
            refused = httpx.post(f"{url}/graphql", json=STATS, headers=headers, timeout=20)
        assert '"RATE_LIMITED"' in refused.text
        assert '"retryAfterMs"' in refused.text


def test_what_expires_ends_too(settings: JobSettings) -> None:
    async def runs_out() -> None:
        keeper, key = await authenticator(settings)
        keeper.start()
        admitted = await keeper.admit(f"Bearer {key}")
        admitted.expires_at = 1
        with admitted.watched():
            await asyncio.wait_for(admitted.ended.wait(), SECONDS)
        await keeper.stop()

    asyncio.run(runs_out())


async def test_during_an_outage_those_inside_stay_and_nobody_new_comes_in(tmp_path: Path, prefix: str) -> None:
    with programs.valkey(tmp_path) as server:
        settings = job_settings(server, prefix)
        keeper, key = await authenticator(settings)
        keeper.start()
        admitted = await keeper.admit(f"Bearer {key}")
        with admitted.watched():
            server.freeze()

            async def is_refused() -> bool:
                try:
                    await keeper.admit(f"Bearer {key}")
                except BackendUnavailable:
                    return True
                return False

            await eventually(is_refused)
            assert not admitted.ended.is_set()
            server.thaw()

            async def is_admitted() -> bool:
                return not await is_refused()

            await eventually(is_admitted)
            assert not admitted.ended.is_set()
        await keeper.stop()


@pytest.mark.parametrize(("path", "detail"), [("/generate?n=1", "detail"), ("/graphql", "errors")])
def test_an_outage_is_503_within_the_promise(tmp_path: Path, path: str, detail: str) -> None:
    with programs.valkey(tmp_path) as server:
        key = create_key(job_settings(server, "outage:"), "carol")
        with programs.api(tmp_path, server.url, "outage:", AUTHENTICATION="keys") as (url, _):
            server.freeze()
            answer = httpx.post(
                f"{url}{path}", json={"query": "{ __typename }"}, headers=bearer_header(key), timeout=20
            )
            assert httpx.get(f"{url}/livez").is_success
            server.thaw()
    assert answer.elapsed.total_seconds() < 3.5
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert detail in answer.json()


def job_settings(valkey: Valkey, prefix: str) -> JobSettings:
    return JobSettings(redis_url=valkey.url, key_prefix=prefix)


async def authenticator(settings: JobSettings, most_streams: int = 10) -> tuple[Authenticator, str]:
    store = KeyStore.connect(settings)
    return Authenticator(store, None, most_streams), await store.create("erin")


def commands(client: redis.Redis) -> int:
    found: dict[str, Any] = client.info("commandstats")
    return sum(found.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("hget", "hmget"))


@asynccontextmanager
async def subscribed(authenticated: AuthenticatedSystem, key: str) -> AsyncIterator[websockets.ClientConnection]:
    """A socket on which a subscription has begun."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(authenticated.system.websocket, subprotocols=protocols) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}}))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": STATS}))
        assert json.loads(await asyncio.wait_for(socket.recv(), SECONDS))["type"] == "next"
        yield socket


async def closed(socket: websockets.ClientConnection) -> None:
    async with asyncio.timeout(SECONDS):
        async for _ in socket:
            pass
