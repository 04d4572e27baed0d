"""One history: a system that starts empty, lives through steps that a seed chooses, and comes to rest."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as ResponseTimeout

from tasks.api.store_metrics import StoreMetrics
from tasks.errors import BackendUnavailable
from tests.simulation import steps
from tests.simulation.invariants import Invariants
from tests.simulation.rest import come_to_rest
from tests.simulation.world.api import REFUSALS, Api, Files
from tests.simulation.world.calls import Call, Line, SyncClient
from tests.simulation.world.clock import Clock
from tests.simulation.world.loop import SimulatedLoop
from tests.simulation.world.store import POP, PUSH
from tests.simulation.world.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from tasks.callers import Caller
    from tasks.jobs import Job
    from tests.simulation.world.api import Submission, Subscriber
    from tests.simulation.world.calls import ScriptCall
    from tests.simulation.world.shared import World
    from tests.simulation.world.worker import Child

STEPS = 200
FACTORS = (0.1, 0.5, 1.0, 1.0, 3.0)


class ViolationError(AssertionError):
    """An invariant does not hold."""


class _Factors(dict[str, float]):
    """How much more or less likely each action is in one history: some are calm, others cancel and retry a lot."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def __missing__(self, name: str) -> float:
        self[name] = random.Random(f"{self._seed} {name}").choice(FACTORS)
        return self[name]


class History:
    """A system in one process, and what happened to it."""

    def __init__(self, world: World, seed: int) -> None:
        self.seed = seed
        self.world = world
        self.settings = world.settings
        self.store = world.store
        self.clock = Clock()
        self.ids = random.Random(seed)
        self.calls: list[Call] = []
        self.apis: list[Api] = []
        self.workers: list[Worker] = []
        self.files = Files()
        self.jobs: list[tuple[str, Caller]] = []
        self.submissions: list[Submission] = []
        self.subscribers: list[Subscriber] = []
        # Messages that were popped, for repetitions.
        self.popped: list[bytes] = []
        # Jobs whose keys were deleted.
        self.deleted: set[str] = set()
        # How often the store lost its last second.
        self.losses = 0
        self.report: list[str] = []
        # Actions that could be chosen, how often each was, and the chosen ones by their steps.
        self.possible: set[str] = set()
        self.actions: Counter[str] = Counter()
        self.chosen: dict[int, str] = {}
        self._factors = _Factors(seed)
        self._violation: str | None = None
        self._number = self._processes = 0
        self.is_computation_broken = False
        self._killed = False
        # The latest time that the store's clock has ever shown.
        self.latest_ms = self.clock.store_ms
        # Negative: how far the store's clock was set back, in all.
        self.set_back_ms = 0
        self.store.begin(self.clock, self._publish, self.violate)
        self.invariants = Invariants(self)
        self.loop = SimulatedLoop(self.clock, self.violate)
        world.history = self

    def run(self, kept: Mapping[int, str] | None = None) -> None:
        """Live through all steps, and come to rest.

        Args:
            kept: actions of another run by the numbers of their steps: only those are repeated, as far as they are
                possible. None: chosen by the seed.

        Raises:
            ViolationError: an invariant does not hold.
        """
        try:
            for number in range(STEPS) if kept is None else sorted(kept):
                self._step(number, None if kept is None else kept[number])
            self._number = STEPS
            come_to_rest(self)
        finally:
            self._end()

    def _step(self, number: int, wanted: str | None) -> None:
        self._number = number
        rng = random.Random(self.seed * 1_000_003 + number)
        choices = steps.possible(self)
        self.possible.update([name for _, name, _ in choices])
        # Drawn in any case, so that the action draws the same.
        factors = self._factors
        [(_, name, act)] = rng.choices(choices, [weight * factors[name] for weight, name, _ in choices])
        if wanted is not None:
            found = [choice for choice in choices if choice[1] == wanted]
            if not found:
                return
            [(_, name, act)] = found
        self.chosen[number] = name
        self.actions[name] += 1
        try:
            words = act(rng)
        except redis.RedisError as error:
            words = f"{name}: {error}"
        self.loop.run_ready()
        self.note(words)

    def note(self, words: str) -> None:
        """Report a step, and check all invariants after it."""
        self.report.append(f"{self._number:4} {self.clock.elapsed_ms / 1000:9.3f} s  {words}")
        self.invariants.check()
        if self._violation is not None:
            raise ViolationError(self._violation)

    def violate(self, words: str) -> None:
        """Report the violation of an invariant. The first one counts."""
        self._violation = self._violation or words

    def _end(self) -> None:
        for worker in self.workers:
            worker.crash()
        for api in self.apis:
            api.crash()
        self.loop.run_ready()
        self.loop.close()

    # Time and calls.

    def advance(self, milliseconds: int) -> None:
        """Let time pass: timers run, keys expire, and those who wait too long stop waiting."""
        self.clock.elapsed_ms += milliseconds
        self.latest_ms = max(self.latest_ms, self.clock.store_ms)
        if not self.store.is_down:
            self.store.expire()
        for call in list(self.calls):
            if not call.is_settled and call.timeout_at_ms is not None and call.timeout_at_ms <= self.clock.elapsed_ms:
                self.settle(call, ResponseTimeout("no answer in time"))
        self.loop.run_ready()

    def decode(self, text: str, arguments: Sequence[Any]) -> ScriptCall:
        return self.world.registry.decode(text, arguments)

    def execute(self, call: ScriptCall) -> Any:
        """Execute a script of the product now."""
        reply = self.store.run(call.text, *call.arguments)
        self.invariants.note_reply(call.script, call.named, reply)
        self.invariants.check()
        return reply

    def run_other(self, script: str, *arguments: str | bytes) -> Any:
        """Execute a command of another program now."""
        reply = self.store.run(script, *arguments)
        self.invariants.check()
        return reply[0]

    def words(self, call: ScriptCall) -> str:
        """A call in words."""
        named = call.named
        shown = [self.short(named["job"])] if "job" in named else []
        shown += [f"{name} {named[name]}" for name in ("index", "token") if name in named]
        return " ".join([call.script.name, *shown])

    def execute_call(self, call: Call) -> str:
        call.run()
        if call.is_settled:
            self.calls.remove(call)
        return f"{call.caller}: {call.what}: executed{f', {call.error}' if call.error else ''}"

    def return_answer(self, call: Call) -> str:
        self.settle(call)
        return f"{call.caller}: {call.what}: answered"

    def lose_answer(self, call: Call) -> str:
        self.settle(call, ConnectionLost("the connection was lost"))
        return f"{call.caller}: {call.what}: the answer is lost"

    def settle(self, call: Call, error: Exception | None = None) -> None:
        """Let the caller go on. A call that was sent can still arrive later."""
        if call.is_executed:
            self.calls.remove(call)
        call.finish(error)
        self.loop.run_ready()

    # Events.

    @property
    def lines(self) -> list[Line]:
        return [line for api in self.apis for line in api.client.lines if line.is_subscribed and not line.is_broken]

    def _publish(self, event: bytes) -> None:
        for line in self.lines:
            if not line.is_silent:
                line.undelivered.append(event)

    def deliver_event(self, line: Line) -> str:
        event = line.undelivered[0].decode().split()
        line.deliver()
        self.loop.run_ready()
        return f"{line.owner}: event: {self.short(event[0])} has version {event[1]}"

    # Processes.

    def start_api(self, *, is_older: bool = False) -> str:
        self.apis.append(Api(self, f"api-{self._next_number()}", is_older=is_older))
        return f"{self.apis[-1].name}: started{' in an older version' if is_older else ''}"

    def start_worker(self) -> str:
        self.workers.append(Worker(self, f"worker-{self._next_number()}"))
        return f"{self.workers[-1].name}: started"

    def _next_number(self) -> int:
        self._processes += 1
        return self._processes

    @property
    def free_children(self) -> list[Child]:
        """Processes that can start a task."""
        return [child for worker in self.workers for child in worker.children if child.is_free]

    def stop_worker(self, worker: Worker) -> str:
        self.workers.remove(worker)
        worker.stop()
        return f"{worker.name}: stopped"

    def kill_worker(self, worker: Worker) -> str:
        self.workers.remove(worker)
        worker.crash()
        return f"{worker.name}: killed"

    def check_leases(self, child: Child) -> None:
        """One check of the thread that extends leases. It kills its process if a task does not end."""
        self._killed = False
        child.extender.check()
        if self._killed:
            child.crash()

    def kill_process(self, reason: str) -> None:
        """Instead of the watchdog's own."""
        del reason
        self._killed = True

    def compute(self) -> None:
        """A computation ends, or meets a bug."""
        if self.is_computation_broken:
            self.is_computation_broken = False
            raise OSError("a bug")

    # Messages.

    @property
    def has_messages(self) -> bool:
        """Whether there is a message to take, or an error to meet."""
        state = self.store.state
        return bool(
            state.length("small")
            or state.length("large")
            or not self.store.is_available
            or any(worker.messages for worker in self.workers)
        )

    def pop(self) -> bytes | None:
        """Pop the next message, as a worker's main process does."""
        for queue in ("small", "large"):
            # A pop waits while its queue is empty.
            if not self.store.state.length(queue) and self.store.is_available:
                continue
            message: bytes | None = self.run_other(POP, queue)
            if message is not None:
                self.popped = [*self.popped[-9:], message]
                return message
        return None

    def push_back(self, messages: Sequence[bytes]) -> None:
        """Push messages back, as a worker does that shuts down."""
        for message in messages:
            try:
                self.run_other(PUSH, _queue_of(message), message)
            except redis.RedisError:
                return

    def deliver(self, child: Child, message: bytes) -> str:
        words = self.message_words(message)
        if b'"generate_segment"' in message:
            child.deliver(message)
        return f"{child.name}: run {words}"

    def message_words(self, message: bytes | None) -> str:
        if message is None:
            return "nothing"
        name = json.loads(message).get("headers", {}).get("id")
        return f"the message of {self.short(name[:36])}{name[36:]}" if name else "a foreign message"

    def collect_metrics(self) -> None:
        with suppress(redis.RedisError):
            StoreMetrics(SyncClient(self), self.settings).read_snapshot()  # type: ignore[arg-type] # all that it uses

    # Users.

    @property
    def newest_jobs(self) -> list[tuple[str, Caller]]:
        """The newest known jobs with their owners."""
        return self.jobs[-12:]

    def known_job(self, rng: random.Random) -> tuple[str, Caller]:
        """One of the newest jobs, and its owner."""
        return rng.choice(self.newest_jobs)

    def acknowledge(self, job: Job, caller: Caller) -> None:
        """A user learns of a job."""
        if (job.id, caller) not in self.jobs:
            self.jobs.append((job.id, caller))

    async def ignore_refusals(self, action: Coroutine[Any, Any, object]) -> None:
        with suppress(*REFUSALS, BackendUnavailable):
            await action

    def short(self, job_id: str | None) -> str:
        """A job's name in reports: its number in the order in which jobs became known."""
        return self.invariants.name(str(job_id))


def _queue_of(message: bytes) -> str:
    properties = json.loads(message).get("properties", {})
    return str(properties.get("delivery_info", {}).get("routing_key", "small"))
