"""Overhead of telemetry: CPU time per mutation of the API, throughput and p95 with telemetry, relative to without.

    python -m tests.bench.telemetry_overhead [rounds [mutations]]

Each variant is a separate API process on the same Valkey. They alternate in short turns and in changing order, so that
other load on the machine affects all of them. A ratio is the median of the ratios of all rounds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests import programs
from tests.bench.table import aligned
from tests.otlp import receiver

MUTATION = "mutation { generatePrimes(input: {count: 10}) { ... on GeneratePrimesAccepted { job { id traceId } } } }"
TARGETS = {"all traces": 1.35, "10 % of traces": 1.15}


def main(rounds: int = 40, mutations: int = 100) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        received = stack.enter_context(receiver())
        on: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "10000"}
        tenth = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
        variants: dict[str, dict[str, Any]] = {
            "off": {},
            "all traces": on,
            "10 % of traces": on | tenth,
            "metrics alone": on | {"OTEL_TRACES_EXPORTER": "none"},
        }
        valkey = stack.enter_context(programs.valkey(folder))
        apis = {
            name: stack.enter_context(programs.api(folder, valkey.url, "bench:", QUEUE_CAPACITY="1000000", **options))
            for name, options in variants.items()
        }
        cpu: dict[str, list[float]] = {name: [] for name in variants}
        p95: dict[str, list[float]] = {name: [] for name in variants}
        rates: dict[str, list[float]] = {name: [] for name in variants}
        # The first turn warms up.
        for turn in range(rounds + 1):
            for name in list(variants) if turn % 2 else reversed(list(variants)):
                url, api = apis[name]
                microseconds, latency, rate = measure(url, api.process.pid, mutations)
                if turn:
                    cpu[name].append(microseconds)
                    p95[name].append(latency)
                    rates[name].append(rate)
    return report(cpu, p95, rates)


def measure(url: str, pid: int, mutations: int) -> tuple[float, float, float]:
    """CPU microseconds per mutation, p95 in milliseconds, and mutations per second of one client."""
    latencies: list[float] = []
    with httpx.Client(base_url=url) as client:
        # Linux's id of the CPU clock of a process, in nanoseconds.
        clock = (~pid << 3) | 2
        before = time.clock_gettime(clock)
        for _ in range(mutations):
            started = time.perf_counter()
            client.post("/graphql", json={"query": MUTATION}).raise_for_status()
            latencies.append((time.perf_counter() - started) * 1000)
        used = time.clock_gettime(clock) - before
    return used / mutations * 1e6, statistics.quantiles(latencies, n=20)[-1], mutations / sum(latencies) * 1000


def report(cpu: dict[str, list[float]], p95: dict[str, list[float]], rates: dict[str, list[float]]) -> int:
    lines = [("", "CPU/mutation", "ratio", "target", "p95", "ratio", "per second", "ratio")]
    missed = 0
    for name in cpu:
        used, latency, rate = (statistics.median(found[name]) for found in (cpu, p95, rates))
        cpu_ratio, p95_ratio, rate_ratio = (
            statistics.median(here / there for here, there in zip(found[name], found["off"], strict=True))
            for found in (cpu, p95, rates)
        )
        target = TARGETS.get(name)
        missed += target is not None and cpu_ratio > target
        costs = (f"{used:.0f} us", f"{cpu_ratio:.2f}", f"{target or ''}")
        lines.append(
            (name, *costs, f"{latency:.2f} ms", f"{p95_ratio:.2f}", f"{rate:.0f}", f"{rate_ratio:.2f}"),
        )
    print(aligned(lines))
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
