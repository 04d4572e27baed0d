"""What Locust loads: people, shapes, and what happens at the beginning and the end of a run.

    locust -f loadtest/locustfile.py                        the web UI, as one knows it
    locust -f loadtest/locustfile.py --scenario medium ...  a named scenario; with --headless it ends with a verdict
    locust -f loadtest/locustfile.py --master | --worker    the same over many machines

`python -m loadtest` gives these options for the usual cases.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

import locust
from locust.runners import MasterRunner, WorkerRunner

from loadtest.report import statistics, verdict
from loadtest.scenarios import definitions
from loadtest.scenarios.shapes import Light, Medium, Shape, Soak, Spike, StepUntilBroken, Stress
from loadtest.telemetry import Telemetry, exporting_reader
from loadtest.users.graphql_users import GraphqlOverEventStream, GraphqlOverWebSocket
from loadtest.users.rest_users import RestUser
from loadtest.users.user import SimulatedUser

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

# Locust finds what it can offer by looking at this module's names.
__all__ = [
    "GraphqlOverEventStream",
    "GraphqlOverWebSocket",
    "Light",
    "Medium",
    "RestUser",
    "Soak",
    "Spike",
    "StepUntilBroken",
    "Stress",
]

DEFAULT_HOST = "http://127.0.0.1:8000"

# Users who are asked to leave first see their job's end; those that wait for one that does not come notice within it.
STOP_SECONDS = 30

PROGRESS_SECONDS = 15


def add_options(parser: LocustArgumentParser, **_: object) -> None:
    """Options of our own; the master passes them on to its workers."""
    parser.add_argument(
        "--scenario",
        choices=("", *definitions.NAMES),
        default="",
        include_in_web_ui=False,
        env_var="LOADTEST_SCENARIO",
        help="A named scenario of the prime generator; --users and --run-time give it another peak and length",
    )
    parser.add_argument(
        "--huge",
        action="store_true",
        env_var="LOADTEST_HUGE",
        help="A few jobs of 100,000 to 1,000,000 primes as well",
    )
    parser.add_argument(
        "--keys",
        default="",
        include_in_web_ui=False,
        env_var="LOADTEST_KEYS",
        help="Keys of the API, with commas between them, that people have in turn; better told by the variable",
    )


def begin(environment: Environment, **_: object) -> None:
    """Choose the shape, and start telemetry: Locust has made its processes by now."""
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
            # The run ends when the shape does; Locust would set up an alarm of its own, after it.
            options.run_time = None
    if not isinstance(environment.runner, MasterRunner):
        telemetry = Telemetry(exporting_reader(), lambda: _user_count(environment), lambda: _scenario(environment))
        hooks.request.add_listener(telemetry.request)
        hooks.quitting.add_listener(lambda **_: telemetry.shutdown())
    if options.headless and options.scenario:
        # One summary is enough; the reports have the rest.
        logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)
        hooks.quitting.add_listener(judge)
        # Locust sets up its own handler after a shape has ended; until then SIGTERM would leave no summary.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # A greenlet, as Locust has patched threads.
        Thread(target=_tell_progress, args=(environment,), daemon=True).start()


def prepare(environment: Environment, **_: object) -> None:
    """A run begins: say which to the workers, and find the primes that users compare with."""
    options = environment.parsed_options
    if options is None:
        return
    if not isinstance(environment.runner, WorkerRunner):
        shape = environment.shape_class
        options.scenario = shape.name if isinstance(shape, Shape) else ""
    if not isinstance(environment.runner, MasterRunner):
        SimulatedUser.learn(huge=options.huge)


def judge(environment: Environment, **_: object) -> None:
    """Print the summary and decide the exit code."""
    shape = environment.shape_class
    if not isinstance(shape, Shape) or isinstance(environment.runner, WorkerRunner):
        return
    entries = statistics.entries_of(environment.stats)
    step_load = shape.step_load if isinstance(shape, StepUntilBroken) else None
    criteria = verdict.judge(entries, shape.bounds, step_load, to_the_end=shape.is_over)
    parts = [verdict.table(shape.name, shape.measured_seconds, entries, criteria)]
    parts += [verdict.steps_table(step_load)] if step_load else []
    parts += ["\n".join(errors)] if (errors := statistics.errors_of(environment.stats)) else []
    text = "\n\n".join(parts)
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()
    options = environment.parsed_options
    statistics.keep(text, options.html_file if options else None)
    environment.process_exit_code = 0 if all(criterion.holds for criterion in criteria) else 1


def _tell_progress(environment: Environment) -> None:
    """A line now and then, for who watches."""
    if isinstance(environment.shape_class, StepUntilBroken) or isinstance(environment.runner, WorkerRunner):
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
    """The name of the scenario that runs; `custom` where the numbers were given by hand."""
    options = environment.parsed_options
    return (options.scenario if options else "") or "custom"


# Locust gives its hooks no types.
_HOOKS: Any = locust.events
_HOOKS.init_command_line_parser.add_listener(add_options)
_HOOKS.init.add_listener(begin)
_HOOKS.test_start.add_listener(prepare)
