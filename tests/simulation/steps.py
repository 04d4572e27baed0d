"""The steps of a history: what can happen next, how likely it is, and what it is called in a report."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import redis

from tasks.callers import ANYONE, Caller, CallerLimits
from tasks.jobs import JobStatus
from tasks.requests import JobPageRequest, PrimesRequest
from tests.simulation import faults
from tests.simulation.world.api import Submission, Subscriber
from tests.simulation.world.shared import SENDING_WINDOW
from tests.simulation.world.store import POP_NEWEST
from tests.simulation.world.worker import segment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from tests.simulation.history import History
    from tests.simulation.world.api import Api
    from tests.simulation.world.worker import Child, Worker

    Possible = tuple[float, str, Callable[[Random], str]]

LIMITED = Caller("key:limited", CallerLimits(submissions_per_minute=10**6, open_jobs=2, open_count=24))
CALLERS = (ANYONE, LIMITED, Caller("key:other"))

MAX_COUNT = 20
MAX_WORKERS = 3
MAX_SUBSCRIBERS = 5
MAX_CALLS = 30

HOUR_MS = 3_600_000
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def possible(history: History) -> list[Possible]:
    """What can happen now: weight, name and action."""
    return [
        *_time(history),
        *_users(history),
        *_calls(history),
        *_workers(history),
        *faults.possible(history),
    ]


def _time(history: History) -> Iterator[Possible]:
    def passes(low: int, high: int) -> Callable[[Random], str]:
        def act(rng: Random) -> str:
            milliseconds = rng.randint(low, high)
            history.advance(milliseconds)
            return f"{milliseconds / 1000:g} s pass"

        return act

    yield 5, "moments pass", passes(1, 100)
    yield 3, "seconds pass", passes(200, 4_000)
    yield 0.8, "a lease passes", passes(5_000, 40_000)
    yield 0.1, "a lifetime passes", passes(HOUR_MS // 2, 2 * HOUR_MS)


def _users(history: History) -> Iterator[Possible]:
    if not history.apis or len(history.calls) > MAX_CALLS:
        return
    yield 3, "submit", lambda rng: _submit(history, rng)
    if waiting := [one for one in history.submissions if not (one.is_answered or one.is_pending)]:
        yield 3, "submit again", lambda rng: _send(history, rng.choice(waiting), rng)
    if len(history.submissions) > len(waiting) and (sent := [one for one in history.submissions if one.is_answered]):
        yield 0.5, "submit a repetition", lambda rng: _send(history, rng.choice(sent), rng)
    yield from _users_of_jobs(history)
    if broken := [one for one in history.subscribers if not (one.is_done or one.is_streaming)]:
        yield 3, "resume", lambda rng: _resume(history, rng.choice(broken), rng)
    if streaming := [one for one in history.subscribers if one.is_streaming]:
        yield 0.3, "unsubscribe", lambda rng: _unsubscribe(history, rng.choice(streaming))
    yield 1.5, "read", lambda rng: _read(history, rng)
    yield 0.3, "sweep", lambda rng: _sweep(history, rng)
    yield 0.2, "collect metrics", lambda _: _collect(history)


def _users_of_jobs(history: History) -> Iterator[Possible]:
    if not history.jobs:
        return
    yield 1, "cancel", lambda rng: _cancel(history, *history.known_job(rng), rng)
    yield 1, "retry", lambda rng: _retry(history, *history.known_job(rng), rng)
    if begun := _with_segments(history, {"RUNNING"}):
        yield 1.5, "cancel what has begun", lambda rng: _cancel(history, *rng.choice(begun), rng)
        if begun_gaps := _with_gaps(history, begun):
            yield 6, "cancel what has gaps", lambda rng: _cancel(history, *rng.choice(begun_gaps), rng)
    if ended := _with_segments(history, {"FAILED", "CANCELLED"}):
        yield 4, "retry what has begun", lambda rng: _retry(history, *rng.choice(ended), rng)
        if ended_gaps := _with_gaps(history, ended):
            yield 8, "retry what has gaps", lambda rng: _retry(history, *rng.choice(ended_gaps), rng)
            # An older version would pass by no segment.
            if older := [api for api in history.apis if api.is_older]:
                yield 8, "upgrade an API", lambda rng: _upgrade(history, rng.choice(older))
    if len([one for one in history.subscribers if not one.is_done]) < MAX_SUBSCRIBERS:
        yield 3, "subscribe", lambda rng: _subscribe(history, rng)


def _calls(history: History) -> Iterator[Possible]:
    if sent := [call for call in history.calls if not call.is_executed]:
        yield 20 + 6 * len(sent), "execute a call", lambda rng: history.execute_call(rng.choice(sent))
    if executed := [call for call in history.calls if call.is_executed and not call.is_settled]:
        yield 20 + 6 * len(executed), "return an answer", lambda rng: history.return_answer(rng.choice(executed))
    if waiting := [call for call in history.calls if not call.is_settled and call.timeout_at_ms is not None]:
        yield 0.8, "lose an answer", lambda rng: history.lose_answer(rng.choice(waiting))
    if lines := [line for line in history.lines if line.undelivered and not line.is_silent]:
        yield 6, "deliver an event", lambda rng: history.deliver_event(rng.choice(lines))


def _workers(history: History) -> Iterator[Possible]:
    if len(history.workers) < MAX_WORKERS:
        yield 2 if not history.workers else 0.5, "start a worker", lambda _: history.start_worker()
    if not history.workers:
        return
    if free := history.free_children:
        if history.has_messages:
            yield 9, "deliver a message", lambda rng: _deliver(history, rng.choice(free))
            yield 2, "run a task", lambda rng: _run_through(history, rng.choice(free))
        if history.store.state.length("large") > SENDING_WINDOW:
            yield 1, "overtake", lambda rng: _overtake(history, rng.choice(free))
        if history.popped:
            yield 0.5, "repeat a message", lambda rng: _repeat(history, rng.choice(free), rng)
    yield 0.5, "pop a message", lambda rng: _pop(history, rng.choice(history.workers))
    if any(worker.messages for worker in history.workers):
        yield 0.3, "lose popped messages", lambda rng: _lose_popped(history, rng)
    yield 3, "extend leases", lambda rng: _extend(history, rng.choice(history.workers))
    yield 2, "reconcile", lambda rng: _reconcile(rng.choice(history.workers))
    yield 0.6, "heartbeat", lambda rng: _heartbeat(rng.choice(history.workers))
    yield 0.3, "stop a worker", lambda rng: history.stop_worker(rng.choice(history.workers))
    yield 0.6, "kill a worker", lambda rng: history.kill_worker(rng.choice(history.workers))
    yield 0.2, "kill all workers", lambda _: _kill_all(history)
    yield 0.4, "kill a task's process", lambda rng: _kill_child(history, rng)


def _api(history: History, rng: Random) -> Api:
    return rng.choice(history.apis)


def _submit(history: History, rng: Random) -> str:
    count = rng.choice((rng.randint(1, 4), rng.randint(1, MAX_COUNT), rng.randint(5, MAX_COUNT)))
    key = rng.choice((None, *("abc"[: rng.randint(1, 3)])))
    request = PrimesRequest(count, rng.choice((2, 1000, 10**12)), key)
    traceparent = rng.choice((None, TRACEPARENT))
    submission = Submission(history, rng.choice(CALLERS), request, traceparent=traceparent)
    history.submissions.append(submission)
    return _send(history, submission, rng)


def _send(history: History, submission: Submission, rng: Random) -> str:
    api = _api(history, rng)
    api.spawn(submission.send(api))
    return f"{api.name}: {submission.words}"


def _with_segments(history: History, statuses: set[str]) -> list[tuple[str, Caller]]:
    """Known jobs in one of the statuses with completed segments."""
    found = []
    for job_id, caller in history.newest_jobs:
        record = history.store.state.hash(f"job:{job_id}")
        if record and record["status"] in statuses and record["segments_done"] != "0":
            found.append((job_id, caller))
    return found


def _with_gaps(history: History, jobs: list[tuple[str, Caller]]) -> list[tuple[str, Caller]]:
    """Those with a completed segment after more open ones than this version sends at a time: a retry passes it by."""
    found = []
    for job_id, caller in jobs:
        segments = history.store.state.hash(f"job:{job_id}:segments")
        done = [int(index) for index, text in segments.items() if _is_done(text)]
        if done and max(done) + 1 - len(done) >= SENDING_WINDOW:
            found.append((job_id, caller))
    return found


def _is_done(segment: str | None) -> bool:
    return segment is not None and json.loads(segment)["state"] == "done"


def _cancel(history: History, job_id: str, caller: Caller, rng: Random) -> str:
    api = _api(history, rng)
    api.spawn(history.ignore_refusals(api.store.cancel_job(job_id, caller)))
    return f"{api.name}: cancel {history.short(job_id)}"


def _retry(history: History, job_id: str, caller: Caller, rng: Random) -> str:
    submission = Submission(history, caller, None, job_id)
    history.submissions.append(submission)
    return _send(history, submission, rng)


def _upgrade(history: History, api: Api) -> str:
    history.apis.remove(api)
    api.crash()
    return f"{api.name}: killed, {history.start_api()}"


def _subscribe(history: History, rng: Random) -> str:
    job_id, caller = history.known_job(rng)
    subscriber = Subscriber(history, caller, job_id, final_only=rng.random() < 0.2, losses=history.losses)
    history.subscribers.append(subscriber)
    return _resume(history, subscriber, rng)


def _resume(history: History, subscriber: Subscriber, rng: Random) -> str:
    api = _api(history, rng)
    subscriber.task = api.spawn(subscriber.follow(api))
    return f"{api.name}: follow {history.short(subscriber.job_id)} after version {subscriber.version}"


def _unsubscribe(history: History, subscriber: Subscriber) -> str:
    assert subscriber.task is not None
    subscriber.task.cancel()
    subscriber.is_done = True
    history.loop.run_ready()
    return f"a subscriber of {history.short(subscriber.job_id)} leaves"


def _read(history: History, rng: Random) -> str:
    api, caller = _api(history, rng), rng.choice(CALLERS)
    some = [job_id for job_id, _ in history.newest_jobs]
    statuses = frozenset(rng.sample(list(JobStatus), rng.randint(1, len(JobStatus))))
    request = JobPageRequest(
        size=rng.randint(1, 4),
        from_oldest=rng.random() < 0.5,
        older_than=rng.choice((None, None, *some)),
        newer_than=rng.choice((None, None, *some)),
        statuses=statuses,
        created_after=rng.choice((None, _moment(history, rng))),
        created_before=rng.choice((None, _moment(history, rng))),
    )
    api.spawn(api.read(caller, request))
    return f"{api.name}: list {request.size} jobs and the system's state"


def _moment(history: History, rng: Random) -> datetime:
    return datetime.fromtimestamp(history.clock.store_ms / 1000, UTC) - timedelta(seconds=rng.uniform(-10, 600))


def _sweep(history: History, rng: Random) -> str:
    api = _api(history, rng)
    api.spawn(api.sweep())
    return f"{api.name}: sweep the result store"


def _collect(history: History) -> str:
    history.collect_metrics()
    return "metrics are collected"


def _deliver(history: History, child: Child) -> str:
    worker = child.worker
    message = worker.messages.pop(0) if worker.messages else history.pop()
    if message is None:
        return f"{child.name}: no message"
    return history.deliver(child, message)


def _run_through(history: History, child: Child) -> str:
    """A task runs to its end while everything else waits."""
    words = _deliver(history, child)
    while not child.is_free:
        _proceed(history, child)
    return f"{words}, to its end"


def _overtake(history: History, child: Child) -> str:
    """The newest message is delivered before all others, and its segment is completed before theirs are claimed."""
    message = history.run_other(POP_NEWEST, "large")
    if message is None:
        return f"{child.name}: no message"
    words = history.deliver(child, message)
    job, index = segment_of(message)
    while not (child.is_free or _is_done(history.store.state.hash(f"job:{job}:segments").get(index))):
        _proceed(history, child)
    return f"{words}, before all others"


def _proceed(history: History, child: Child) -> None:
    """Answer the next call of a task."""
    call = next(one for one in history.calls if one.caller.startswith(child.name) and not one.is_settled)
    if not call.is_executed:
        history.execute_call(call)
    if not call.is_settled:
        history.settle(call)


def _repeat(history: History, child: Child, rng: Random) -> str:
    return f"{history.deliver(child, rng.choice(history.popped))} (again)"


def _pop(history: History, worker: Worker) -> str:
    message = history.pop()
    if message is not None:
        worker.messages.append(message)
    return f"{worker.name}: pop {history.message_words(message)}"


def _lose_popped(history: History, rng: Random) -> str:
    worker = rng.choice([worker for worker in history.workers if worker.messages])
    worker.messages.clear()
    return f"{worker.name}: popped messages are lost"


def _extend(history: History, worker: Worker) -> str:
    for child in worker.children:
        history.check_leases(child)
    return f"{worker.name}: check leases"


def _reconcile(worker: Worker) -> str:
    try:
        found = worker.recorder.reconcile()
    except redis.RedisError as error:
        return f"{worker.name}: reconciling fails: {error}"
    return f"{worker.name}: reconcile: {found.expired_leases} leases expired, {found.resent_segments} sent again"


def _heartbeat(worker: Worker) -> str:
    try:
        worker.recorder.heartbeat(worker.name, len(worker.children))
    except redis.RedisError as error:
        return f"{worker.name}: heartbeat fails: {error}"
    return f"{worker.name}: heartbeat"


def _kill_all(history: History) -> str:
    """The machine of all workers loses its power."""
    for worker in list(history.workers):
        history.kill_worker(worker)
    return "all workers: killed"


def _kill_child(history: History, rng: Random) -> str:
    child = rng.choice([child for worker in history.workers for child in worker.children])
    child.crash()
    return f"{child.name}: killed"
