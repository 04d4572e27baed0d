"""An HTTP/1.1 load generator that is cheap enough not to be the limit: raw sockets, no pipelining, keep-alive."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass, field
from statistics import quantiles
from typing import TYPE_CHECKING, cast

import uvloop

from tests.bench.performance.machine import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONNECTIONS = 32

# Enough of a response to see whether it is the expected one.
_INSPECTED_BYTES = 4_096
# Until the last responses have arrived.
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """The server that gets the requests, and the processes whose work is measured."""

    port: int
    pids: Sequence[int]
    store_pids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """Makes the n-th request; every response must contain `expected`."""

    make: Callable[[int], bytes]
    expected: bytes = b""


@dataclass(frozen=True, slots=True)
class Load:
    """One turn of a number of connections, each with one request at a time."""

    requests: int
    seconds: float
    latencies: Sequence[float]
    body_bytes: int
    # Processor seconds of the server, its store and this generator.
    server: float
    store: float
    generator: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time of the server for one request, in microseconds."""
        return self.server / self.requests * 1e6

    @property
    def generator_share(self) -> float:
        """The part of one core that the generator used. Near 1, the generator is the limit."""
        return self.generator / self.seconds

    def percentile_ms(self, percent: int) -> float:
        return percentile_ms(self.latencies, percent)


def percentile_ms(seconds: Sequence[float], percent: int) -> float:
    return quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def run(
    server: Server,
    request: Request,
    seconds: float = 0.5,
    connections: int = CONNECTIONS,
    requests: int | None = None,
) -> Load:
    """Send requests for some seconds, or an exact number of them."""
    return uvloop.run(_run(server, request, seconds, connections, requests))


async def _run(server: Server, request: Request, seconds: float, connections: int, requests: int | None) -> Load:
    loop = asyncio.get_running_loop()
    turn = _Turn(request, requests)
    clients = [
        (await loop.create_connection(lambda: _Client(turn), "127.0.0.1", server.port)) for _ in range(connections)
    ]
    gc.disable()
    before = cpu_seconds(server.pids), cpu_seconds(server.store_pids), time.process_time()
    started_at = time.perf_counter()
    if requests is None:
        turn.ends_at = started_at + seconds
    for _, client in clients:
        client.send()
    try:
        async with asyncio.timeout(seconds + _TIMEOUT_SECONDS):
            await asyncio.gather(*(client.done for _, client in clients))
        took = time.perf_counter() - started_at
        after = cpu_seconds(server.pids), cpu_seconds(server.store_pids), time.process_time()
    finally:
        gc.enable()
        for transport, _ in clients:
            transport.close()
    used = (then - now for then, now in zip(after, before, strict=True))
    return Load(len(turn.latencies), took, turn.latencies, turn.body_bytes, *used)


@dataclass
class _Turn:
    """What the connections of a turn share."""

    request: Request
    limit: int | None
    ends_at: float = float("inf")
    sent: int = 0
    body_bytes: int = 0
    latencies: list[float] = field(default_factory=list)

    def next_request(self, now: float) -> bytes | None:
        if now >= self.ends_at or self.sent == self.limit:
            return None
        self.sent += 1
        return self.request.make(self.sent)


class _Client(asyncio.Protocol):
    """One connection: sends a request, reads its response, sends the next."""

    def __init__(self, turn: _Turn) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._turn = turn
        self._transport: asyncio.Transport
        self._sent_at = 0.0
        # The response: its beginning, and the bytes still to come (None until its head is complete).
        self._start = b""
        self._missing: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def send(self) -> None:
        self._sent_at = time.perf_counter()
        data = self._turn.next_request(self._sent_at)
        if data is not None:
            self._transport.write(data)
        elif not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._missing is None:
            self._start += data
            end = self._start.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._start[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            self._turn.body_bytes += length
            self._missing = length - (len(self._start) - end - 4)
        else:
            self._missing -= len(data)
            if len(self._start) < _INSPECTED_BYTES:
                self._start += data
        if self._missing == 0:
            self._finish()

    def _finish(self) -> None:
        self._turn.latencies.append(time.perf_counter() - self._sent_at)
        start, self._start, self._missing = self._start, b"", None
        if not start.startswith(b"HTTP/1.1 200") or self._turn.request.expected not in start or b'"errors"' in start:
            self.done.set_exception(AssertionError(start[:_INSPECTED_BYTES]))
        else:
            self.send()
