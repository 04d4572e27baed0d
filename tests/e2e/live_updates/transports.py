"""Five transports over which clients follow a job to its final state: each function yields the states it receives.

A state has the fields that every transport reports: {"version", "status", "isFinal"}. Iteration ends when the stream
completes, and fails when it ends in any other way.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx
import websockets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

FIELDS = "version status isFinal"
SUBSCRIPTION = f"""subscription ($id: ID!, $after: Int) {{
    jobUpdates(id: $id, afterVersion: $after) {{
        __typename ... on JobUpdate {{ job {{ {FIELDS} }} }} ... on UserError {{ code message }}
    }}
}}"""
QUERY = f"query ($id: ID!, $after: Int) {{ job(id: $id, waitMs: 20000, afterVersion: $after) {{ {FIELDS} }} }}"

PRIMES = """subscription ($id: ID!, $from: Int!) { primeStream(id: $id, fromIndex: $from) {
    __typename ... on PrimeBatch { offset values isLast } ... on UserError { code message }
} }"""

EVENT_STREAM = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'

# A stream is silent while its job waits in the queue.
TIMEOUT_SECONDS = 60

State = dict[str, Any]

PROTOCOLS = [websockets.Subprotocol("graphql-transport-ws")]


class BackendUnavailableError(Exception):
    """The store is unavailable: a client resumes from the version that it has."""


def payload(job_id: str, after: int | None) -> dict[str, Any]:
    return {"query": SUBSCRIPTION, "variables": {"id": job_id, "after": after}}


def state(response: dict[str, Any]) -> State:
    """The state in a message of a subscription."""
    event = response["data"]["jobUpdates"]
    if event["__typename"] == "BackendUnavailable":
        raise BackendUnavailableError
    assert event["__typename"] == "JobUpdate", event
    found: State = event["job"]
    return found


async def follow_by_websocket(url: str, job_id: str, after: int | None = None) -> AsyncIterator[State]:
    address = f"{url.replace('http', 'ws', 1)}/graphql"
    async with websockets.connect(address, subprotocols=PROTOCOLS, open_timeout=TIMEOUT_SECONDS) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload(job_id, after)}))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "complete":
                return
            assert message["type"] == "next", message
            yield state(message["payload"])
    raise AssertionError("the WebSocket closed before the stream was complete")


async def follow_by_event_stream(url: str, job_id: str, after: int | None = None) -> AsyncIterator[State]:
    async with aclosing(_lines(url, payload(job_id, after), EVENT_STREAM)) as lines:
        kind = ""
        async for line in lines:
            if line.startswith("event:"):
                kind = line.partition(":")[2].strip()
            elif line.startswith("data:") and kind == "next":
                yield state(json.loads(line.partition(":")[2]))
            if kind == "complete":
                return
    raise AssertionError("the event stream ended before it was complete")


async def follow_by_multipart(url: str, job_id: str, after: int | None = None) -> AsyncIterator[State]:
    async with aclosing(_lines(url, payload(job_id, after), MULTIPART)) as lines:
        async for line in lines:
            if line.startswith("{") and (part := json.loads(line)):
                assert not part.get("errors"), part
                if part["payload"]:
                    yield state(part["payload"])
            if line.startswith("--graphql--"):
                return
    raise AssertionError("the multipart stream ended before it was complete")


async def prime_batches(url: str, job_id: str, from_index: int, accept: str) -> AsyncGenerator[dict[str, Any]]:
    """The events of a prime stream, over Server-Sent Events or multipart."""
    body = {"query": PRIMES, "variables": {"id": job_id, "from": from_index}}
    async with aclosing(_lines(url, body, accept)) as lines:
        async for line in lines:
            if '"primeStream"' in line:
                message = json.loads(line.removeprefix("data: "))
                event: dict[str, Any] = message.get("payload", message)["data"]["primeStream"]
                if event["__typename"] == "BackendUnavailable":
                    raise BackendUnavailableError
                yield event
            if line in {"event: complete", "--graphql--"}:
                return
    raise AssertionError("the prime stream ended before it was complete")


async def follow_by_long_poll(url: str, job_id: str, after: int | None = None) -> AsyncIterator[State]:
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        last_version = -1 if after is None else after
        while True:
            body = {"query": QUERY, "variables": {"id": job_id, "after": last_version}}
            response = (await client.post(f"{url}/graphql", json=body)).json()
            job = response["data"]["job"]
            if job["version"] > last_version:
                last_version = job["version"]
                yield job
            if job["isFinal"]:
                return


async def follow_by_rest(url: str, job_id: str, after: int | None = None) -> AsyncIterator[State]:
    """Status is None until the job is final, because REST reports both QUEUED and RUNNING as pending."""
    final_statuses = {"complete": "SUCCEEDED", "failed": "FAILED", "cancelled": "CANCELLED"}
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        last_version = -1 if after is None else after
        while True:
            headers = {"Prefer": "wait=20", "If-None-Match": f'"{max(last_version, 0)}"'}
            response = await client.get(f"{url}/status/{job_id}", headers=headers)
            version = int(response.headers["etag"].strip('"'))
            final = response.status_code == httpx.codes.OK and response.json()["status"] in final_statuses
            if version > last_version:
                last_version = version
                status = final_statuses[response.json()["status"]] if final else None
                yield {"version": version, "status": status, "isFinal": final}
            if final:
                return


async def _lines(url: str, body: dict[str, Any], accept: str) -> AsyncGenerator[str]:
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client,
        client.stream("POST", f"{url}/graphql", json=body, headers={"Accept": accept}) as response,
    ):
        assert response.status_code == httpx.codes.OK, await response.aread()
        async for line in response.aiter_lines():
            yield line


TRANSPORTS: dict[str, Any] = {
    "websocket": follow_by_websocket,
    "event stream": follow_by_event_stream,
    "multipart": follow_by_multipart,
    "long poll": follow_by_long_poll,
    "rest": follow_by_rest,
}
