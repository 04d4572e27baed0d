"""Rows of whole jobs: latency to completion, drain of a backlog, results, computation. All cores for everything."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from contextlib import ExitStack
from functools import partial
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
import uvloop
import websockets

from tests import programs
from tests.bench.performance import load, requests
from tests.bench.performance.machine import cpu_seconds, tree
from tests.bench.performance.rows import REFERENCE_STARLETTE, Row, Target, alternate
from tests.bench.performance.systems import WORKER_PROCESSES
from tests.bench.result_system import PREFIX
from tests.bench.results import LARGE, measure_primesieve, segment_starts
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from tests.bench.performance.load import Load, Server
    from tests.bench.performance.systems import Systems

TURNS = 3
IDLE_JOBS = 60
USERS = 50
USERS_SECONDS = 2.0
# Between two jobs of a user, on average.
THINK_SECONDS = 0.5
BACKLOG = 2_000
LISTED = 10**6
DOWNLOADED = 10**7

DRAIN = "Drain of tiny jobs, two worker processes"
DRAIN_COST = "  processor time of the worker for a job"
DRAIN_STORE_COST = "  processor time of the store for a job, without its submission"
JOB_MEMORY = "  memory of the store for a finished job"

PROTOCOLS = [websockets.Subprotocol("graphql-transport-ws")]
COMPLETED = {
    False: """subscription ($id: ID!) { jobCompleted(id: $id) {
        ... on JobUpdate { job { status } } ... on UserError { code message }
    } }""",
    True: "subscription ($id: ID!) { jobCompleted(id: $id) { status } }",
}


def latency(systems: Systems) -> list[Row]:
    """From sending the mutation to the event of the final state, with one user and with 50."""
    rows = []
    for name, users, targets in (
        ("idle", 1, {50: 2.8, 95: 4.5}),
        (f"{USERS} users", USERS, {95: 7.0}),
    ):
        shares: list[float] = []
        rates: list[float] = []
        found = alternate(
            TURNS,
            {
                "ours": partial(_latencies, systems.server, users, shares, naive=False),
                "naive": partial(_latencies, systems.naive.server, users, shares, naive=True),
                "floor": partial(_store_round_trips, systems.valkey.port),
                "speed": partial(_speed, systems.starlette_post, rates),
            },
        )
        slowness = REFERENCE_STARLETTE / median(rates)
        for percent, bound in targets.items():
            ours, naive, floor = (
                [load.percentile_ms(turn, percent) for turn in found[cell]] for cell in ("ours", "naive", "floor")
            )
            value = median(ours)
            rows.append(
                Row(
                    f"Mutation to completion, {name}, p{percent}",
                    "ms",
                    value,
                    median(floor),
                    median(mine / theirs for mine, theirs in zip(ours, floor, strict=True)),
                    median(naive),
                    median(mine / theirs for mine, theirs in zip(ours, naive, strict=True)),
                    Target(value, bound, "ms", is_minimum=False, slowness=slowness),
                    max(shares),
                )
            )
    return rows


def _speed(starlette_post: Server, rates: list[float]) -> list[float]:
    """Measure the speed of this machine meanwhile, as a rate of requests, which is appended."""
    rates.append(load.run(starlette_post, requests.floor()).rate)
    return []


def _latencies(server: Server, users: int, shares: list[float], *, naive: bool) -> list[float]:
    """One turn. Appends the part of one core that this client used."""
    started_at, used = time.monotonic(), time.process_time()
    found = uvloop.run(_follow_all(server, users, naive=naive))
    shares.append((time.process_time() - used) / (time.monotonic() - started_at))
    return found


async def _follow_all(server: Server, users: int, *, naive: bool) -> list[float]:
    ends_at = time.monotonic() + USERS_SECONDS
    each = await asyncio.gather(*(_follow(server.port, ends_at, users, naive=naive) for _ in range(users)))
    return [seconds for one in each for seconds in one]


async def _follow(port: int, ends_at: float, users: int, *, naive: bool) -> list[float]:
    """One user: submits jobs one after the other, and follows each to its end. One of 50 pauses in between."""
    latencies: list[float] = []
    address = f"ws://127.0.0.1:{port}/graphql"
    async with websockets.connect(address, subprotocols=PROTOCOLS, compression=None, proxy=None) as socket_:
        await socket_.send('{"type": "connection_init"}')
        await socket_.recv()
        numbers = count()
        while len(latencies) < IDLE_JOBS and time.monotonic() < ends_at:
            if users > 1:
                await asyncio.sleep(random.uniform(0, 2 * THINK_SECONDS))
            started_at = time.perf_counter()
            accepted = await _first(socket_, str(next(numbers)), requests.payload(naive=naive))
            job = accepted["generatePrimes"]
            variables = {"id": (job if naive else job["job"])["id"]}
            ended = await _first(socket_, str(next(numbers)), {"query": COMPLETED[naive], "variables": variables})
            latencies.append(time.perf_counter() - started_at)
            assert (ended["jobCompleted"] if naive else ended["jobCompleted"]["job"])["status"] in {
                "SUCCEEDED",
                "SUCCESS",
            }
    return latencies


async def _first(socket_: websockets.ClientConnection, number: str, payload: Any) -> dict[str, Any]:
    """Start an operation. Returns the data of its first event."""
    await socket_.send(json.dumps({"id": number, "type": "subscribe", "payload": payload}))
    while True:
        message = json.loads(await socket_.recv())
        if message["id"] == number:
            assert message["type"] == "next", message
            found: dict[str, Any] = message["payload"]["data"]
            return found


def _store_round_trips(port: int, times: int = 500) -> list[float]:
    """Seconds of the shortest command of the store."""
    latencies = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(times):
            started_at = time.perf_counter()
            connection.sendall(b"PING\r\n")
            assert connection.recv(64) == b"+PONG\r\n"
            latencies.append(time.perf_counter() - started_at)
    return latencies


def drain(systems: Systems) -> list[Row]:
    """Tiny jobs per second when a backlog waits, and the processor time of the store for each."""
    ours, naive = systems.ours, systems.naive
    naive_worker = naive.worker
    assert naive_worker is not None
    store_us: list[float] = []
    worker_us: list[float] = []
    job_bytes: list[float] = []

    def drain_ours() -> float:
        store, workers = systems.server.store_pids, [pid for one in ours.workers for pid in tree(one.process.pid)]
        before = ours.store.zcard(f"{PREFIX}jobs:SUCCEEDED")
        spent, memory = cpu_seconds(workers), _memory(ours.store)
        with ExitStack() as stack:
            for worker in ours.workers:
                stack.enter_context(programs.paused(worker))
            load.run(systems.server, requests.submit_rest(), requests=BACKLOG)
            submitted = cpu_seconds(store)
        took = _wait(lambda: ours.store.zcard(f"{PREFIX}jobs:SUCCEEDED") >= before + BACKLOG)
        store_us.append((cpu_seconds(store) - submitted) / BACKLOG * 1e6)
        worker_us.append((cpu_seconds(workers) - spent) / BACKLOG * 1e6)
        job_bytes.append((_memory(ours.store) - memory) / BACKLOG)
        return BACKLOG / took

    def drain_naive() -> float:
        before = naive.keys()
        with programs.paused(naive_worker):
            load.run(naive.server, requests.submit_rest(), requests=BACKLOG)
        return BACKLOG / _wait(lambda: naive.keys() >= before + BACKLOG)

    found = alternate(
        TURNS,
        {
            "ours": drain_ours,
            "naive": drain_naive,
            "floor": lambda: 1 / median(_store_round_trips(systems.valkey.port)),
        },
    )
    ratio = median(mine / theirs for mine, theirs in zip(found["ours"], found["naive"], strict=True))
    value, floor = median(found["ours"]), median(found["floor"])
    target = Target(ratio, 2.8, "x naive")
    return [
        Row(
            DRAIN,
            "/s",
            value,
            floor,
            value / floor,
            median(found["naive"]),
            ratio,
            target,
        ),
        Row(DRAIN_COST, "us CPU", median(worker_us[1:])),
        Row(DRAIN_STORE_COST, "us CPU", median(store_us[1:])),
        Row(JOB_MEMORY, "bytes", median(job_bytes[1:])),
    ]


def _memory(store: redis.Redis) -> int:
    return int(store.info("memory")["used_memory"])


def _wait(is_over: Callable[[], bool]) -> float:
    started_at = time.perf_counter()
    wait_until(is_over, 60)
    return time.perf_counter() - started_at


def results(systems: Systems) -> list[Row]:
    """A list of 10^6 primes in JSON, and downloads. The floor sends as many bytes."""
    job_id, naive_id = systems.ours.finish(LISTED), systems.naive.finish(LISTED)

    def fetch(server: Server, address: str) -> Load:
        return load.run(server, requests.path(address), requests=1, connections=1)

    rows = []
    floor = systems.bare_asgi
    size = _length(systems.server, f"/status/{job_id}")
    found = alternate(
        TURNS,
        {
            "ours": partial(fetch, systems.server, f"/status/{job_id}"),
            "naive": partial(fetch, systems.naive.server, f"/status/{naive_id}"),
            "floor": partial(fetch, floor, f"/bytes/{size}"),
        },
    )
    ours, bare, naive = (median(one.seconds * 1000 for one in found[cell]) for cell in ("ours", "floor", "naive"))
    rows.append(Row("List of 10^6 primes, REST", "ms", ours, bare, ours / bare, naive, ours / naive))
    large = systems.ours.finish(DOWNLOADED)
    for form in ("parquet", "csv"):
        address = f"/jobs/{large}/primes.{form}"
        size = _length(systems.server, address)
        found = alternate(
            TURNS, {"ours": partial(fetch, systems.server, address), "floor": partial(fetch, floor, f"/bytes/{size}")}
        )
        ours, bare = (median(one.body_bytes / one.seconds / 2**20 for one in found[cell]) for cell in ("ours", "floor"))
        rows.append(Row(f"Download of 10^7 primes, {form}", "MiB/s", ours, bare, ours / bare))
    return rows


def _length(server: Server, address: str) -> int:
    response = httpx.get(
        f"http://127.0.0.1:{server.port}{address}", headers={"Accept-Encoding": "identity"}, timeout=60
    )
    return len(response.raise_for_status().content)


def compute(systems: Systems) -> list[Row]:
    """10^8 primes, relative to libprimesieve alone on as many threads."""
    # Not measured: needed by the floor.
    segment_starts(LARGE)

    def ours() -> float:
        started_at = time.perf_counter()
        systems.ours.finish(LARGE)
        return time.perf_counter() - started_at

    def floor() -> float:
        return measure_primesieve(LARGE, WORKER_PROCESSES)

    found = alternate(TURNS, {"ours": ours, "floor": floor})
    ratio = median(mine / theirs for mine, theirs in zip(found["ours"], found["floor"], strict=True))
    target = Target(ratio, 6, "x floor", is_minimum=False)
    return [Row("Compute 10^8 primes", "s", median(found["ours"]), median(found["floor"]), ratio, target=target)]
