"""Sessions: what is open ends within seconds of a revocation, with an error, and streams are limited."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import pytest
import websockets

from tasks.settings import JobSettings
from tests import in_process
from tests.authenticated import bearer_header, create_key, revoke_key
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.authenticated import AuthenticatedSystem
    from tests.programs import Valkey

SSE = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionSpec=1.0"
STATS = {"query": "subscription { systemStats(intervalMs: 3600000) { at } }"}

UNAUTHENTICATED = {"message": "Invalid or expired API key or token.", "extensions": {"code": "UNAUTHENTICATED"}}

# Revalidation runs every second; the test machine may be busy.
SECONDS = 10


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
def test_revoking_a_key_ends_its_event_streams(authenticated: AuthenticatedSystem, accept: str) -> None:
    key = create_key(authenticated.job_settings, "carol")
    text = ""
    with (
        authenticated.client(key) as client,
        client.stream("POST", "/graphql", json=STATS, headers={"Accept": accept}) as stream,
    ):
        for chunk in stream.iter_text():
            text += chunk
            if '"at"' in text and key:
                revoke_key(authenticated.job_settings, key)
                key = ""
    assert '"UNAUTHENTICATED"' in text
    assert text.rstrip().endswith("--graphql--" if accept == MULTIPART else "event: complete\ndata:")


async def test_revoking_a_key_closes_only_its_own_websockets(authenticated: AuthenticatedSystem) -> None:
    key = await asyncio.to_thread(create_key, authenticated.job_settings, "carol")
    other = await asyncio.to_thread(create_key, authenticated.job_settings, "carol")
    async with subscribed(authenticated, key) as ending, subscribed(authenticated, other) as unaffected:
        await asyncio.to_thread(revoke_key, authenticated.job_settings, key)
        last = [json.loads(message) for message in await messages_until_closed(ending)]
        assert last == [
            {"id": "1", "type": "next", "payload": {"data": None, "errors": [UNAUTHENTICATED]}},
            {"id": "1", "type": "complete"},
        ]
        assert ending.close_code == 4403
        await unaffected.send('{"type": "ping"}')
        assert json.loads(await asyncio.wait_for(unaffected.recv(), SECONDS))["type"] == "pong"


def test_revoking_a_key_aborts_its_downloads(
    authenticated: AuthenticatedSystem, caplog: pytest.LogCaptureFixture
) -> None:
    key = create_key(authenticated.job_settings, "carol")
    with authenticated.client(key) as client:
        # 27 MB as text: more than the connection buffers.
        job_id = client.post("/generate?n=3000000").json()["request_id"]
        query = f'{{ job(id: "{job_id}", waitMs: 20000) {{ status }} }}'
        answer = client.post("/graphql", json={"query": query}, timeout=40).json()
        assert answer == {"data": {"job": {"status": "SUCCEEDED"}}}
        with client.stream("GET", f"/jobs/{job_id}/primes.csv", headers={"Accept-Encoding": "identity"}) as download:
            chunks = download.iter_raw()
            assert next(chunks).startswith(b"prime")
            revoke_key(authenticated.job_settings, key)
            line = f"API key {key.split('_')[1]} was revoked: ending its open requests, streams and WebSockets"
            wait_until(lambda: line in caplog.text, SECONDS, lambda: caplog.text[-3000:])
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in chunks:
                    pass


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
def test_stream_above_the_limit_receives_a_rate_limited_error(valkey: Valkey, prefix: str, accept: str) -> None:
    with in_process.api(valkey.url, prefix, AUTHENTICATION="keys", MAX_SUBSCRIPTIONS_PER_CALLER="1") as url:
        key = create_key(JobSettings(redis_url=valkey.url, key_prefix=prefix), "carol")
        headers = bearer_header(key) | {"Accept": accept}
        with httpx.stream("POST", f"{url}/graphql", json=STATS, headers=headers) as first:
            lines = first.iter_lines()
            assert any('"at"' in line for line in lines)
            refused = httpx.post(f"{url}/graphql", json=STATS, headers=headers, timeout=20)
        assert '"RATE_LIMITED"' in refused.text
        assert '"retryAfterMs"' in refused.text


@asynccontextmanager
async def subscribed(authenticated: AuthenticatedSystem, key: str) -> AsyncIterator[websockets.ClientConnection]:
    """A WebSocket with a started subscription."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(authenticated.system.websocket, subprotocols=protocols) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {key}"}}))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": STATS}))
        assert json.loads(await asyncio.wait_for(socket.recv(), SECONDS))["type"] == "next"
        yield socket


async def messages_until_closed(socket: websockets.ClientConnection) -> list[str | bytes]:
    messages = []
    async with asyncio.timeout(SECONDS):
        with suppress(websockets.ConnectionClosedError):
            while True:
                messages.append(await socket.recv())
    return messages
