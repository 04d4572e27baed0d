"""The locustfile: users, load shapes, and the hooks at the start and the end of a run.

    locust -f loadtest/locustfile.py                        the web UI with users and shapes to select
    locust -f loadtest/locustfile.py --scenario medium ...  a named scenario; with --headless it ends with a verdict
    locust -f loadtest/locustfile.py --master | --worker    distributed over several machines

`python -m loadtest` sets these options for common runs.
"""

from __future__ import annotations

import atexit
import logging
import signal
import sys
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

import locust
from locust.runners import MasterRunner, WorkerRunner

from loadtest.report import statistics, verdict
from loadtest.report.load_processes import LoadProcesses, kill_unresponsive_children
from loadtest.scenarios import definitions
from loadtest.scenarios.shapes import Light, Medium, Shape, Soak, Spike, StepUntilFailure, Stress
from loadtest.scenarios.step_load import format_steps
from loadtest.telemetry import Telemetry, exporting_reader
from loadtest.users.graphql_users import GraphqlOverEventStream, GraphqlOverWebSocket
from loadtest.users.rest_users import RestUser
from loadtest.users.user import SimulatedUser

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

# Locust finds users and shapes by the names in this module.
__all__ = [
    "GraphqlOverEventStream",
    "GraphqlOverWebSocket",
    "Light",
    "Medium",
    "RestUser",
    "Soak",
    "Spike",
    "StepUntilFailure",
    "Stress",
]

DEFAULT_HOST = "http://127.0.0.1:8000"

# Seconds that users may take to finish their current job; long enough to detect a lost final event.
STOP_SECONDS = 30

PROGRESS_SECONDS = 15

# Heartbeats, one a second, that a process may miss: it sends none while it computes the expected primes.
locust.runners.HEARTBEAT_LIVENESS = 10


def add_options(parser: LocustArgumentParser, **_: object) -> None:
    """Add our options. Locust's master passes them on to its workers."""
    parser.add_argument(
        "--scenario",
        choices=("", *definitions.NAMES),
        default="",
        include_in_web_ui=False,
        env_var="LOADTEST_SCENARIO",
        help="Named scenario of the prime generator; --users and --run-time override its peak and duration",
    )
    parser.add_argument(
        "--huge",
        action="store_true",
        env_var="LOADTEST_HUGE",
        help="Include a few jobs of 100,000 to 1,000,000 primes",
    )
    parser.add_argument(
        "--keys",
        default="",
        include_in_web_ui=False,
        env_var="LOADTEST_KEYS",
        help="Comma-separated API keys that users take in turn; prefer the variable, which hides them from ps",
    )


def on_init(environment: Environment, **_: object) -> None:
    """Select the shape and start telemetry. Locust has forked its processes by now."""
    options = environment.parsed_options
    if options is None:
        return
    hooks: Any = environment.events
    environment.host = environment.host or DEFAULT_HOST
    environment.stop_timeout = environment.stop_timeout or STOP_SECONDS
    environment.shape_class = None
    for shape in (environment.available_shape_classes or {}).values():
        if isinstance(shape, Shape) and shape.name == options.scenario:
            shape.configure(options.num_users, options.run_time)
            shape.runner = environment.runner
            environment.shape_class = shape
            if isinstance(environment.runner, MasterRunner):
                shape.processes = LoadProcesses(options.expect_workers)
                hooks.worker_connect.add_listener(shape.processes.on_connect)
                hooks.worker_report.add_listener(shape.processes.on_report)
                # Runs before Locust's own handler, which waits for its child processes.
                atexit.register(kill_unresponsive_children)
            # The shape ends the run; otherwise Locust would also start its own timer.
            options.run_time = None
    if not isinstance(environment.runner, MasterRunner):
        telemetry = Telemetry(exporting_reader(), lambda: _user_count(environment), lambda: _scenario(environment))
        hooks.request.add_listener(telemetry.record_request)
        hooks.quitting.add_listener(lambda **_: telemetry.shutdown())
    if options.headless and options.scenario:
        # Our summary replaces Locust's; the reports have the details.
        logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)
        hooks.quitting.add_listener(on_quitting)
        # Locust installs its own handler only after a shape has ended; before, SIGTERM would skip the summary.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # A greenlet, because Locust has patched threads.
        Thread(target=_print_progress, args=(environment,), daemon=True).start()


def on_test_start(environment: Environment, **_: object) -> None:
    """Pass the scenario's name to the workers, and compute the expected primes."""
    options = environment.parsed_options
    if options is None:
        return
    if not isinstance(environment.runner, WorkerRunner):
        shape = environment.shape_class
        options.scenario = shape.name if isinstance(shape, Shape) else ""
    if not isinstance(environment.runner, MasterRunner):
        SimulatedUser.build_prime_table(include_huge=options.huge)


def on_quitting(environment: Environment, **_: object) -> None:
    """Print the summary and set the exit code."""
    shape = environment.shape_class
    if not isinstance(shape, Shape) or isinstance(environment.runner, WorkerRunner):
        return
    entries = statistics.read_entries(environment.stats)
    step_load = shape.step_load if isinstance(shape, StepUntilFailure) else None
    capacity_users = step_load.capacity_users if step_load else None
    criteria = verdict.evaluate(
        entries, shape.thresholds, capacity_users, completed=shape.completed, processes=shape.complete_processes()
    )
    parts = [verdict.format_summary(shape.name, shape.measured_seconds, entries, criteria)]
    parts += [format_steps(step_load)] if step_load else []
    parts += ["\n".join(errors)] if (errors := statistics.format_errors(environment.stats)) else []
    text = "\n\n".join(parts)
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()
    options = environment.parsed_options
    statistics.save_summary(text, options.html_file if options else None)
    environment.process_exit_code = verdict.outcome(criteria).exit_code


def _print_progress(environment: Environment) -> None:
    """Print a line every PROGRESS_SECONDS. The step scenario prints its own."""
    if isinstance(environment.shape_class, StepUntilFailure) or isinstance(environment.runner, WorkerRunner):
        return
    while environment.runner is not None:
        time.sleep(PROGRESS_SECONDS)
        total = environment.stats.total
        if users := environment.runner.user_count:
            sys.stdout.write(f"{users} users, {total.num_requests} requests, {total.num_failures} failures\n")
            sys.stdout.flush()


def _user_count(environment: Environment) -> int:
    return environment.runner.user_count if environment.runner else 0


def _scenario(environment: Environment) -> str:
    """The name of the running scenario; `custom` when users and rate were set by hand."""
    options = environment.parsed_options
    return (options.scenario if options else "") or "custom"


# Locust's events have no type annotations.
_HOOKS: Any = locust.events
_HOOKS.init_command_line_parser.add_listener(add_options)
_HOOKS.init.add_listener(on_init)
_HOOKS.test_start.add_listener(on_test_start)
