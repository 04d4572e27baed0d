"""The end of a history: faults stop, every actor does its work, and the system comes to rest in bounded time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tasks.api.janitor import MIN_RESULT_AGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.history import History

# Simulated time in which every accepted job ends once all faults have stopped. The longest waits: ten minutes for a
# lease that a clock set back has left in the future, and two minutes for a message that was lost again and again.
BOUND_MS = 15 * 60_000
# Simulated time in which every stream then completes.
STREAM_BOUND_MS = 60_000
TICK_MS = 2_000
# After the last key, files stay for some minutes.
FILES_MS = 2 * 3_600_000


def come_to_rest(history: History) -> None:
    """Stop all faults, and let everything run until nothing is left to do. Then let all keys expire."""
    _stop_faults(history)
    _work_until(history, _are_jobs_done, BOUND_MS)
    _work_until(history, _are_streams_done, STREAM_BOUND_MS)
    history.note("everything is at rest")
    # The sweep leaves results alone that can be read.
    _sweep(history, 2 * MIN_RESULT_AGE // timedelta(milliseconds=1))
    history.invariants.check_rest()
    history.note("nothing is left over")
    expiries = history.store.state.expiries.values()
    history.advance(max(0, max(expiries, default=0) - history.clock.store_ms))
    for line in history.lines:
        line.break_off()
    # The store's clock may have been set ahead of the API's.
    _sweep(history, max(0, history.clock.offset_ms) + FILES_MS)
    history.invariants.check_expired()
    history.note("everything has expired")


def _stop_faults(history: History) -> None:
    store = history.store
    store.is_down = history.files.is_down = False
    store.set_refusing(full=False, read_only=False)
    if not history.apis:
        history.start_api()
    if not history.workers:
        history.start_worker()
    for line in history.lines:
        if line.is_silent:
            line.break_off()
    history.note("all faults stop")


def _sweep(history: History, after_ms: int) -> None:
    """Sweep the result store after some time."""
    history.advance(after_ms)
    history.apis[0].spawn(history.apis[0].sweep())
    _run_calls(history)


def _run_calls(history: History) -> None:
    while history.calls or any(line.undelivered for line in history.lines):
        for call in list(history.calls):
            if not call.is_executed:
                history.execute_call(call)
            if not call.is_settled:
                history.settle(call)
            elif call in history.calls:
                history.calls.remove(call)
        for line in history.lines:
            while line.undelivered:
                line.deliver()
        history.loop.run_ready()


def _work(history: History) -> None:
    """Users repeat what is unanswered, and workers take messages."""
    api = history.apis[0]
    for submission in history.submissions:
        if not (submission.is_answered or submission.is_pending):
            api.spawn(submission.send(api))
    for subscriber in history.subscribers:
        if not (subscriber.is_done or subscriber.is_streaming):
            subscriber.task = api.spawn(subscriber.follow(api))
    for worker in history.workers:
        for child in worker.children:
            if not child.is_free:
                continue
            message = worker.messages.pop(0) if worker.messages else history.pop()
            if message is not None:
                history.deliver(child, message)


def _work_until(history: History, find_left: Callable[[History], str], bound_ms: int) -> None:
    """Let everything run until nothing is left to do.

    Args:
        history: the history.
        find_left: returns what is left to do; empty: nothing.
        bound_ms: the simulated time that this may take.
    """
    ends_at = history.clock.elapsed_ms + bound_ms
    while True:
        _run_calls(history)
        _work(history)
        _run_calls(history)
        left = find_left(history)
        if not left:
            return
        if history.clock.elapsed_ms > ends_at:
            history.violate(f"not at rest after {bound_ms // 1000} s: {left}")
            history.note("the end is overdue")
        _tick(history)


def _tick(history: History) -> None:
    """Let time pass, with the regular work of workers."""
    history.advance(TICK_MS)
    history.workers[0].recorder.reconcile()
    for worker in history.workers:
        for child in worker.children:
            history.check_leases(child)


def _are_jobs_done(history: History) -> str:
    left = list(history.invariants.unrest())
    left += [f"no answer to: {one.words}" for one in history.submissions if one.is_pending or not one.is_answered]
    left += [f"{child.name} is busy" for worker in history.workers for child in worker.children if not child.is_free]
    return ", ".join(left)


def _are_streams_done(history: History) -> str:
    left = [history.short(one.job_id) for one in history.subscribers if not one.is_done]
    return f"subscribers wait for {', '.join(left)}" if left else ""
