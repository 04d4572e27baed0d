"""Faults: what breaks, falls silent, fills up, restarts or loses its clock, and what other programs write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from redis.exceptions import ConnectionError as ConnectionLost

from tests.simulation.world.store import DELETE, POP_NEWEST, PUSH, REGISTER_TOOL, SET_FIELD, TO_THE_END
from tests.simulation.world.worker import segment_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.simulation.history import History
    from tests.simulation.steps import Possible
    from tests.simulation.world.calls import Line
    from tests.simulation.world.worker import Child

MAX_APIS = 2
# Share of those that start.
OLDER_APIS = 0.5
HOUR_MS = 3_600_000


def possible(history: History) -> Iterator[Possible]:
    """The faults that can happen now: weight, name and action."""
    yield 0.2 if history.apis else 5, "restart an API", lambda rng: _restart_api(history, rng)
    yield 0.15, "restart the store", lambda _: _restart_store(history)
    yield 0.1, "restart the store without its last second", lambda _: _restart_store(history, is_lossy=True)
    if _is_newest_send_losable(history) and (free := history.free_children):
        yield 40, "restart the store without a send", lambda rng: _restart_without_send(history, rng.choice(free))
    store = history.store
    is_refusing = store.is_full or store.is_read_only
    yield 2 if is_refusing else 0.1, "fill the store", lambda _: _toggle_full(history)
    yield 2 if is_refusing else 0.1, "make the store read-only", lambda _: _toggle_read_only(history)
    yield 2 if store.is_down else 0.1, "stop or start the store", lambda _: _toggle_store(history)
    yield 2 if history.files.is_down else 0.15, "stop or start the result store", lambda _: _toggle_files(history)
    yield 0.2, "set the store's clock", lambda rng: _set_clock(history, rng.choice((-1, 1)) * _jump(rng))
    if lines := [line for line in history.lines if not line.is_broken]:
        yield 0.3, "break a line", lambda rng: _break_line(history, rng.choice(lines))
        yield 0.2, "silence a line", lambda rng: _silence_line(rng.choice(lines))
    yield 0.1, "lose queued messages", lambda rng: _lose_messages(history, rng.choice(("small", "large")))
    if queues := [queue for queue in ("small", "large") if store.state.length(queue) > 1]:
        yield 2, "delay a message", lambda rng: _delay_message(history, rng.choice(queues))
    yield 0.4, "push a foreign message", lambda _: _push_foreign_message(history)
    yield 0.4, "use a tool of Celery", lambda rng: _use_tool(history, rng)
    yield 0.2, "let a computation fail", lambda _: _break_computation(history)
    if history.jobs:
        yield 0.2, "meet a newer version", lambda rng: _meet_newer_version(history, rng)
        if completed := list(_open_segments_done(history)):
            yield 1, "meet an older version", lambda rng: _meet_older_version(history, *rng.choice(completed))
        yield 0.4, "delete a job's keys", lambda rng: _delete(history, history.known_job(rng)[0])


def _jump(rng: Random) -> int:
    return rng.choice((rng.randint(1, 1_000), rng.randint(1_000, 60_000), rng.randint(60_000, HOUR_MS)))


def _break_line(history: History, line: Line) -> str:
    line.break_off()
    history.loop.run_ready()
    return f"{line.owner}: the line of events breaks"


def _silence_line(line: Line) -> str:
    line.is_silent = True
    line.undelivered.clear()
    return f"{line.owner}: the line of events falls silent"


def _break_computation(history: History) -> str:
    history.is_computation_broken = True
    return "the next computation will fail"


def _use_tool(history: History, rng: Random) -> str:
    exchange, queue = rng.choice(("celery.pidbox", "reply.celery.pidbox")), f"tool-{rng.randint(1, 3)}"
    is_permanent = "1" if rng.random() < 0.2 else "0"
    deadline = str(history.clock.store_ms + rng.randint(1, 100_000))
    history.run_other(REGISTER_TOOL, exchange, queue, deadline, is_permanent)
    return f"a tool of Celery registers {queue} at {exchange}"


def _push_foreign_message(history: History) -> str:
    history.run_other(PUSH, "small", b'{"headers": {}}')
    return "another program pushes a message"


def _lose_messages(history: History, queue: str) -> str:
    history.run_other(DELETE, queue)
    return f"the messages of the queue {queue} are lost"


def _delay_message(history: History, queue: str) -> str:
    """Messages that are taken by other workers are started in another order."""
    history.run_other(TO_THE_END, queue)
    return f"the next message of the queue {queue} goes to its end"


def _restart_store(history: History, *, is_lossy: bool = False) -> str:
    if is_lossy:
        history.losses += 1
        history.store.lose_last_second()
        history.invariants.forget()
    for call in list(history.calls):
        if not call.is_executed:
            call.error = ConnectionLost("the server restarted")
            call.is_executed = True
        if not call.is_settled:
            history.settle(call, ConnectionLost("the server restarted"))
        elif call in history.calls:
            history.calls.remove(call)
    for line in history.lines:
        line.break_off()
    history.loop.run_ready()
    return f"the store restarts{' without its last second' if is_lossy else ''}"


def _is_newest_send_losable(history: History) -> bool:
    """Whether the newest large segment was sent in the last second, and its job submitted before."""
    store = history.store
    messages = store.state.values.get("large")
    if messages is None or not store.is_available:
        return False
    job, index = segment_of(messages.content[0])
    segments = store.hash_after_loss(f"job:{job}:segments")
    return bool(segments) and index not in segments


def _restart_without_send(history: History, child: Child) -> str:
    """The store loses that it sent a segment whose message a worker has taken."""
    words = history.deliver(child, history.run_other(POP_NEWEST, "large"))
    return f"{words}, and {_restart_store(history, is_lossy=True)}"


def _toggle_store(history: History) -> str:
    history.store.is_down = not history.store.is_down
    if history.store.is_down:
        for line in history.lines:
            line.break_off()
    return "the store is down" if history.store.is_down else "the store is up"


def _toggle_full(history: History) -> str:
    history.store.set_refusing(full=not history.store.is_full, read_only=history.store.is_read_only)
    return "the store is full" if history.store.is_full else "the store has room"


def _toggle_read_only(history: History) -> str:
    history.store.set_refusing(full=history.store.is_full, read_only=not history.store.is_read_only)
    return "the store is read-only" if history.store.is_read_only else "the store is writable"


def _toggle_files(history: History) -> str:
    history.files.is_down = not history.files.is_down
    return "the result store is down" if history.files.is_down else "the result store is up"


def _set_clock(history: History, by_ms: int) -> str:
    # Shared keys survive a clock that is set back by the time-to-live of a job in all.
    by_ms = max(by_ms, -history.settings.job_ttl_seconds * 1000 - history.set_back_ms)
    history.set_back_ms += min(by_ms, 0)
    history.clock.offset_ms += by_ms
    history.latest_ms = max(history.latest_ms, history.clock.store_ms)
    if not history.store.is_down:
        history.store.expire()
    return f"the store's clock is set {'forward' if by_ms > 0 else 'back'} by {abs(by_ms) / 1000:g} s"


def _restart_api(history: History, rng: Random) -> str:
    if len(history.apis) == MAX_APIS:
        api = rng.choice(history.apis)
        history.apis.remove(api)
        api.crash()
        return f"{api.name}: killed"
    return history.start_api(is_older=rng.random() < OLDER_APIS)


def _meet_newer_version(history: History, rng: Random) -> str:
    job_id, _ = history.known_job(rng)
    if history.store.state.hash(f"job:{job_id}").get("status") != "QUEUED":
        return f"{history.short(job_id)} is not queued"
    for record_format in ("2", "1"):
        history.run_other(SET_FIELD, f"job:{job_id}", "format", record_format)
        if record_format == "2" and (free := [c for w in history.workers for c in w.children if c.is_free]):
            child = rng.choice(free)
            child.recorder.claim_segment(job_id, 0, child.name)
    return f"{history.short(job_id)} has a record of a newer version for a moment"


def _open_segments_done(history: History) -> Iterator[tuple[str, str]]:
    """Segments of jobs that are not final which this version has completed: job id and index."""
    for job_id, _ in history.newest_jobs:
        record = history.store.state.hash(f"job:{job_id}")
        if record and record["segments_done"] != "0" and record["status"] in {"QUEUED", "RUNNING"}:
            for index, text in history.store.state.hash(f"job:{job_id}:segments").items():
                if '"digest"' in text:
                    yield job_id, index


def _meet_older_version(history: History, job_id: str, index: str) -> str:
    """An older worker completed a segment, without a digest."""
    key = f"job:{job_id}:segments"
    segment = json.loads(history.store.state.hash(key)[index])
    del segment["digest"]
    history.run_other(SET_FIELD, key, index, json.dumps(segment))
    return f"segment {index} of {history.short(job_id)} was completed by an older version"


def _delete(history: History, job_id: str) -> str:
    """An operator deletes a job, or the server evicts it."""
    history.deleted.add(job_id)
    for key in (f"job:{job_id}", f"job:{job_id}:segments", f"job:{job_id}:result"):
        history.run_other(DELETE, key)
    return f"the keys of {history.short(job_id)} are deleted"
