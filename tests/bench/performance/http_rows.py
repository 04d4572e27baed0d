"""Rows of requests: submissions without workers, then reads. One web process on its own core, 32 connections."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.performance import load, requests
from tests.bench.performance.machine import CORES, pin
from tests.bench.performance.rows import REFERENCE_ASGI, REFERENCE_STARLETTE, Row, Target, alternate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.performance.load import Load, Request, Server
    from tests.bench.performance.systems import Systems

TURNS = 5
READ_PRIMES = 10_000
MICROSECONDS = "us CPU"
PER_SECOND = "/s"

SUBMIT = "Submit, GraphQL with variables"
SUBMIT_COST = "  processor time of the API for it"
SUBMIT_STORE_COST = "  processor time of the store for it"

# Targets of processor time in microseconds, on the machine of REFERENCE_STARLETTE.
MAX_NO_OPERATION_US = 120
MAX_STATUS_US = 300
MAX_PAGE_US = 500
MAX_P99_MS = 20
MIN_SCALING = 1.7
# Share of what the cores allow, if they do not suffice for two server processes, the store and the load generator.
MIN_SHARE_OF_POSSIBLE = 0.9


@dataclass(frozen=True, slots=True)
class Cells:
    """Turns of this system, its floor and the naive system, measured alternately."""

    ours: Sequence[Load]
    floor: Sequence[Load]
    naive: Sequence[Load]
    # The rate of the floor on the machine for which bounds of time were set.
    reference_rate: float = REFERENCE_STARLETTE

    @property
    def slowness(self) -> float:
        return self.reference_rate / median(one.rate for one in self.floor)

    @property
    def generator(self) -> float:
        return max(one.generator_share for one in (*self.ours, *self.floor, *self.naive))

    def rates(self, name: str, min_of_floor: float | None) -> Row:
        """Requests per second. The target is a part of the floor's rate."""
        return self._row(name, PER_SECOND, lambda one: one.rate, min_of_floor)

    def costs(self, name: str, max_us: float | None) -> Row:
        """Processor time of the server for a request."""
        row = self._row(name, MICROSECONDS, lambda one: one.cpu_us, None)
        if max_us is None:
            return row
        return row.with_target(Target(row.value, max_us, "us", is_minimum=False, slowness=self.slowness))

    def _row(self, name: str, unit: str, figure: Callable[[Load], float], min_of_floor: float | None) -> Row:
        ours, floor, naive = ([figure(one) for one in cell] for cell in (self.ours, self.floor, self.naive))
        of_floor = _ratio(ours, floor)
        target = Target(of_floor, min_of_floor, "of floor") if min_of_floor else None
        return Row(
            name,
            unit,
            median(ours),
            median(floor),
            of_floor,
            median(naive),
            _ratio(ours, naive),
            target,
            self.generator,
        )


def submit_with_variables(systems: Systems) -> list[Row]:
    cells = _cells(systems, requests.submit(), requests.submit(naive=True))
    p99 = median(one.percentile_ms(99) for one in cells.ours)
    naive_p99 = median(one.percentile_ms(99) for one in cells.naive)
    floor_p99 = median(one.percentile_ms(99) for one in cells.floor)
    return [
        cells.rates(SUBMIT, 0.22),
        Row(
            "  its p99 with 32 connections",
            "ms",
            p99,
            floor_p99,
            p99 / floor_p99,
            naive_p99,
            p99 / naive_p99,
            Target(p99, MAX_P99_MS, "ms", is_minimum=False, slowness=cells.slowness),
            cells.generator,
        ),
        cells.costs(SUBMIT_COST, None),
        Row(SUBMIT_STORE_COST, MICROSECONDS, median(one.store / one.requests * 1e6 for one in cells.ours)),
    ]


def submit_without_plan(systems: Systems) -> list[Row]:
    """A document that is cached, and executed by graphql-core."""
    with systems.api("tests.bench.performance.without_plans") as server:
        cells = _cells(systems, requests.submit(), requests.submit(naive=True), ours_server=server)
    return [cells.rates("Submit, GraphQL, without a plan", 0.12)]


def submit_new_document(systems: Systems) -> list[Row]:
    cells = _cells(systems, requests.submit_new_document(), requests.submit_new_document(naive=True))
    return [cells.rates("Submit, GraphQL, a new document each time", None)]


def submit_by_rest(systems: Systems) -> list[Row]:
    return [_cells(systems, requests.submit_rest(), requests.submit_rest()).rates("Submit, REST", 0.15)]


def submit_with_telemetry(systems: Systems) -> list[Row]:
    """Submissions to an API that exports all traces, metrics and logs. Its floor is the API without telemetry."""
    with systems.api(**systems.telemetry()) as measured:
        found = alternate(
            TURNS,
            {
                "on": partial(load.run, measured, requests.submit()),
                "off": partial(load.run, systems.server, requests.submit()),
            },
        )
    cells = Cells(found["on"], found["off"], found["off"])
    return [cells.rates("Submit with telemetry; floor: without", None).without_naive()]


def submit_to_two_processes(systems: Systems) -> list[Row]:
    """Two server processes with all cores, relative to one with its own core."""
    with systems.api(WEB_WORKERS="2") as two:
        everything = (os.getpid(), *two.store_pids, *two.pids)

        def with_all_cores() -> Load:
            pin(everything)
            return load.run(two, requests.submit())

        def with_one_core() -> Load:
            systems.pin()
            return load.run(systems.server, requests.submit())

        found = alternate(TURNS, {"two": with_all_cores, "one": with_one_core})
    ratio = _ratio([one.rate for one in found["two"]], [one.rate for one in found["one"]])
    rates = {name: median(one.rate for one in turns) for name, turns in found.items()}
    # The server, the store and the load generator together, for a request.
    cpu_seconds = median((one.server + one.store + one.generator) / one.requests for one in found["one"])
    possible = len(CORES) / cpu_seconds / rates["one"]
    bound = round(min(MIN_SCALING, MIN_SHARE_OF_POSSIBLE * possible), 2)
    target = Target(ratio, bound, f"x one ({len(CORES)} cores allow {possible:.2f})")
    generator = max(one.generator_share for one in found["two"])
    name = "Submit, WEB_WORKERS=2; floor: one process"
    return [Row(name, PER_SECOND, rates["two"], rates["one"], ratio, target=target, generator=generator)]


def no_operation(systems: Systems) -> list[Row]:
    cells = _cells(systems, requests.no_operation(), requests.no_operation(), systems.bare_asgi)
    cells = replace(cells, reference_rate=REFERENCE_ASGI)
    return [cells.costs("No-op, { __typename }", MAX_NO_OPERATION_US)]


def reads(systems: Systems) -> list[Row]:
    """The status, and a page of 1,000 primes without what any operation costs."""
    job_id, naive_id = systems.ours.finish(READ_PRIMES), systems.naive.finish(READ_PRIMES)
    servers = {"ours": systems.server, "naive": systems.naive.server}
    cells: dict[str, Callable[[], Load]] = {"floor": partial(load.run, systems.starlette_post, requests.floor())}
    for system, server in servers.items():
        cells[f"{system} no-op"] = partial(load.run, server, requests.no_operation())
        for what in ("status", "page"):
            request = requests.read(what, naive_id if system == "naive" else job_id, naive=system == "naive")
            cells[f"{system} {what}"] = partial(load.run, server, request)
    found = alternate(TURNS, cells)
    status = Cells(found["ours status"], found["floor"], found["naive status"])
    beyond = {
        system: [
            page.cpu_us - nothing.cpu_us
            for page, nothing in zip(found[f"{system} page"], found[f"{system} no-op"], strict=True)
        ]
        for system in servers
    }
    page = median(beyond["ours"])
    return [
        status.costs("Status of a job, GraphQL", MAX_STATUS_US),
        Row(
            "Page of 1,000 primes, beyond a no-op",
            MICROSECONDS,
            page,
            naive=median(beyond["naive"]),
            of_naive=_ratio(beyond["ours"], beyond["naive"]),
            target=Target(page, MAX_PAGE_US, "us", is_minimum=False, slowness=status.slowness),
            generator=status.generator,
        ),
    ]


def _cells(
    systems: Systems, ours: Request, naive: Request, floor: Server | None = None, ours_server: Server | None = None
) -> Cells:
    found = alternate(
        TURNS,
        {
            "ours": partial(load.run, ours_server or systems.server, ours),
            "floor": partial(load.run, floor or systems.starlette_post, requests.floor()),
            "naive": partial(load.run, systems.naive.server, naive),
        },
    )
    return Cells(found["ours"], found["floor"], found["naive"])


def _ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    return median(mine / theirs for mine, theirs in zip(ours, other, strict=True))
