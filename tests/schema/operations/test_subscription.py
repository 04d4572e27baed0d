"""Subscriptions against a running system: the events of each stream and how it ends. tests/gql has the transports."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from tasks import engine
from tasks.jobs import SEGMENT_PRIMES
from tests import in_process
from tests.clients import data, finished_job
from tests.programs import paused
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.conftest import System

UPDATES = """subscription ($id: ID!, $after: Int) { jobUpdates(id: $id, afterVersion: $after) {
    __typename ... on JobUpdate { coalesced job { version status isFinal } } ... on UserError { code message }
} }"""
COMPLETED = """subscription ($id: ID!) { jobCompleted(id: $id) {
    __typename ... on JobUpdate { job { status version } } ... on UserError { code }
} }"""
STREAM = """subscription ($id: ID!, $from: Int!, $batch: Int!) {
    primeStream(id: $id, fromIndex: $from, maxBatch: $batch) {
        __typename ... on PrimeBatch { offset values availableCount totalCount isLast }
        ... on JobStopped { job { status } } ... on UserError { code }
    }
}"""
SUBMIT = "mutation { generatePrimes(input: {count: 2500}) { ... on GeneratePrimesAccepted { job { id } } } }"
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"


async def subscribe(system: System, query: str, **variables: Any) -> AsyncGenerator[dict[str, Any]]:
    """The responses of one subscription until it completes, an error message included."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(system.websocket, subprotocols=protocols) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.recv()
        operation = {"query": query, "variables": variables}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": operation}))
        while True:
            message = json.loads(await asyncio.wait_for(socket.recv(), 30))
            if message["type"] == "complete":
                return
            if message["type"] == "error":
                yield {"errors": message["payload"]}
                return
            yield message["payload"]


async def events(system: System, query: str, **variables: Any) -> list[dict[str, Any]]:
    """The values of a subscription's one field, until it completes."""
    found = []
    async for answer in subscribe(system, query, **variables):
        assert not answer.get("errors"), answer
        found += answer["data"].values()
    return found


async def test_final_job_is_sent_once_and_the_stream_completes(system: System) -> None:
    job_id = finished_job(system, 10)
    [update] = await events(system, UPDATES, id=job_id)
    assert update == {
        "__typename": "JobUpdate",
        "coalesced": 0,
        "job": {"version": 3, "status": "SUCCEEDED", "isFinal": True},
    }
    [completed] = await events(system, COMPLETED, id=job_id)
    assert completed["job"] == {"status": "SUCCEEDED", "version": 3}


async def test_stream_resumes_after_a_version(system: System) -> None:
    job_id = finished_job(system, 10)
    [update] = await events(system, UPDATES, id=job_id, after=1)
    assert (update["job"]["version"], update["coalesced"]) == (3, 1)
    assert await events(system, UPDATES, id=job_id, after=3) == []


async def test_updates_start_with_the_current_state_and_versions_increase(system: System) -> None:
    with paused(system.worker):
        job_id = data(system, SUBMIT)["generatePrimes"]["job"]["id"]
        stream = subscribe(system, UPDATES, id=job_id)
        first = await anext(stream)
    updates = [first["data"]["jobUpdates"]] + [answer["data"]["jobUpdates"] async for answer in stream]
    assert updates[0]["job"] == {"version": 1, "status": "QUEUED", "isFinal": False}
    versions = [update["job"]["version"] for update in updates]
    assert versions == sorted(set(versions))
    assert updates[-1]["job"] == {"version": 3, "status": "SUCCEEDED", "isFinal": True}
    assert sum(1 + update["coalesced"] for update in updates) == 3


@pytest.mark.parametrize("job_id", ["01945b7e-1c2d-7abc-8def-0123456789ab", "x", "y" * 10_000])
@pytest.mark.parametrize("query", [UPDATES, COMPLETED, STREAM])
async def test_unknown_id_gets_job_not_found_and_completes(system: System, query: str, job_id: str) -> None:
    variables = {"from": 0, "batch": 10} if query == STREAM else {}
    [event] = await events(system, query, id=job_id, **variables)
    assert (event["__typename"], event["code"]) == ("JobNotFound", "JOB_NOT_FOUND")


@pytest.mark.parametrize(("start", "batch"), [(0, 1000), (0, 999), (2499, 1000), (1234, 7)])
async def test_prime_stream_sends_every_value_once(system: System, start: int, batch: int) -> None:
    job_id = finished_job(system, 2500)
    batches = await events(system, STREAM, id=job_id, **{"from": start, "batch": batch})
    values: list[int] = []
    for part in batches:
        assert part["offset"] == start + len(values)
        assert 0 < len(part["values"]) <= batch
        assert (part["availableCount"], part["totalCount"]) == (2500, 2500)
        values += part["values"]
    assert [part["isLast"] for part in batches] == [False] * (len(batches) - 1) + [True]
    assert len(values) == len(set(values)) == 2500 - start
    assert values[-1] == 22_307


async def test_prime_stream_waits_for_primes_that_are_not_computed_yet(system: System) -> None:
    with paused(system.worker):
        job_id = data(system, SUBMIT)["generatePrimes"]["job"]["id"]
        stream = asyncio.create_task(events(system, STREAM, id=job_id, **{"from": 0, "batch": 1000}))
        system_query = "{ system { subscribers } }"
        async with asyncio.timeout(10):
            while not data(system, system_query)["system"]["subscribers"]:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.02)
        assert not stream.done()
    assert [len(batch["values"]) for batch in await stream] == [1000, 1000, 500]


async def test_prime_stream_from_beyond_the_end_completes_without_values(system: System) -> None:
    job_id = finished_job(system, 10)
    for start in (10, 11, 2**31 - 1):
        assert await events(system, STREAM, id=job_id, **{"from": start, "batch": 10}) == []


async def test_default_batch_of_a_prime_stream_is_at_most_the_page_size(system: System) -> None:
    job_id = finished_job(system, 2500)
    with in_process.api(system.valkey.url, system.prefix, MAX_PAGE_SIZE="900") as url:
        smaller = replace(system, url=url)
        query = "subscription ($id: ID!) { primeStream(id: $id) { ... on PrimeBatch { values } } }"
        batches = await events(smaller, query, id=job_id)
        [refused] = [part async for part in subscribe(smaller, STREAM, id=job_id, **{"from": 0, "batch": 901})]
    assert [len(batch["values"]) for batch in batches] == [900, 900, 700]
    assert refused["errors"][0]["message"] == "maxBatch is 901, must be 1 to 900"


async def test_prime_streams_of_a_running_job_have_no_gap_after_resuming(system: System) -> None:
    """Each stream starts before a segment boundary, disconnects halfway and resumes. Segments complete in any order."""
    count = 4 * SEGMENT_PRIMES + 10
    expected = engine.primes_from(2, count)

    async def values(job_id: str, start: int, limit: int) -> list[int]:
        found: list[int] = []
        async with aclosing(subscribe(system, STREAM, id=job_id, **{"from": start, "batch": 700})) as answers:
            async for answer in answers:
                batch = answer["data"]["primeStream"]
                assert batch["offset"] == start + len(found), batch
                found += batch["values"]
                if len(found) >= limit:
                    break
        return found

    async def across(job_id: str, boundary: int) -> None:
        start = boundary * SEGMENT_PRIMES - 1_000
        found = await values(job_id, start, 900)
        found += await values(job_id, start + len(found), 900)
        assert found == expected[start : start + len(found)].tolist()
        assert len(found) >= min(1_800, count - start)

    with paused(system.worker):
        submitted = data(system, SUBMIT.replace("2500", str(count)))
        job_id = submitted["generatePrimes"]["job"]["id"]
        streams = asyncio.gather(*(across(job_id, boundary) for boundary in (1, 2, 3, 4) for _ in range(2)))
        await eventually(lambda: has_subscribers(system, 8))
    await streams


async def has_subscribers(system: System, count: int) -> bool:
    return bool(data(system, "{ system { subscribers } }")["system"]["subscribers"] >= count)


async def test_prime_stream_of_a_cancelled_job_ends_with_job_stopped(system: System) -> None:
    with paused(system.worker):
        job_id = data(system, SUBMIT)["generatePrimes"]["job"]["id"]
        assert data(system, CANCEL, id=job_id)["cancelJob"]["__typename"] == "CancelJobAccepted"
        # Also from beyond the end: a stream without the last batch reports why.
        for start in (0, 2499, 2500, 2**31 - 1):
            [event] = await events(system, STREAM, id=job_id, **{"from": start, "batch": 10})
    assert event == {"__typename": "JobStopped", "job": {"status": "CANCELLED"}}


@pytest.mark.parametrize(
    ("start", "batch", "message"),
    [(-1, 10, "fromIndex is -1"), (0, 0, "maxBatch is 0"), (0, 1001, "maxBatch is 1001, must be 1 to 1000")],
)
async def test_prime_stream_argument_out_of_bounds_is_an_error_with_a_code(
    system: System, start: int, batch: int, message: str
) -> None:
    [answer] = [part async for part in subscribe(system, STREAM, id="x", **{"from": start, "batch": batch})]
    [error] = answer["errors"]
    assert message in error["message"]
    assert error["extensions"] == {"code": "VALIDATION"}


async def test_system_stats_are_sent_at_the_interval(system: System) -> None:
    stream = subscribe(system, "subscription { systemStats(intervalMs: 100) { at queue { capacity } } }")
    moments = [(await anext(stream))["data"]["systemStats"]["at"] for _ in range(3)]
    assert moments == sorted(set(moments))
    await stream.aclose()


@pytest.mark.parametrize("interval", [-1, 99, 3_600_001])
async def test_interval_out_of_bounds_is_an_error_with_a_code(system: System, interval: int) -> None:
    query = "subscription ($i: Int!) { systemStats(intervalMs: $i) { at } }"
    [answer] = [part async for part in subscribe(system, query, i=interval)]
    assert answer["errors"][0]["message"] == f"intervalMs is {interval}, must be 100 to 3600000"
    assert answer["errors"][0]["extensions"] == {"code": "VALIDATION"}
