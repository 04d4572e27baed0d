"""`python -m loadtest SCENARIO`: starts Locust with the options that a scenario needs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from loadtest.scenarios import definitions
from loadtest.scenarios.step_load import OBJECTIVE_MS

ROOT = Path(__file__).parents[1]

# Until all processes have started, on a busy machine. Otherwise Locust waits for ever for one that has crashed.
_CONNECT_SECONDS = 60

REPORTS = Path(".cache/loadtest")


def main() -> None:
    """Replace this process by Locust, which then handles signals and sets the exit code."""
    options = _parser().parse_args()
    if options.scenario is None and not options.web:
        _parser().error(f"a scenario ({', '.join(definitions.NAMES)}) or --web is required")
    command = [sys.executable, "-m", "locust", *locust_arguments(options)]
    # Locust adds its working directory to the import path, so that the locustfile can import this package.
    os.chdir(ROOT)
    # The scenario decides on Locust's options, and not its variables.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    if ignored := sorted(os.environ.keys() - environment.keys()):
        sys.stderr.write(f"Ignored variables: {', '.join(ignored)}. Use the options of python -m loadtest.\n")
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own interpreter, no shell


def locust_arguments(options: argparse.Namespace) -> list[str]:
    """Locust's command line for the parsed options."""
    arguments = ["--locustfile", str(Path(__file__).with_name("locustfile.py")), "--host", options.host]
    arguments += ["--huge"] if options.huge else []
    arguments += ["--users", str(options.users)] if options.users else []
    arguments += ["--run-time", options.run_time] if options.run_time else []
    if options.processes:
        arguments += ["--processes", str(options.processes), "--expect-workers-max-wait", str(_CONNECT_SECONDS)]
    if options.web:
        return [*arguments, "--class-picker", "--web-port", str(options.web_port)]
    folder = options.report.absolute() if options.report else ROOT / REPORTS / options.scenario
    arguments += ["--scenario", options.scenario, "--headless", "--only-summary", "--loglevel", "WARNING"]
    return [*arguments, "--html", str(folder / "report.html"), "--csv", str(folder / "run")]


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {scenario.name:<8}{scenario.description}" for scenario in definitions.STAGED.values())
    listing += f"\n  {definitions.STEP:<8}add users step by step until p95 submit to final > {OBJECTIVE_MS} ms; "
    listing += "prints the capacity"
    parser = argparse.ArgumentParser(
        "python -m loadtest",
        description="Run simulated users against a running system. "
        "Exit code 0: all criteria passed; 1: at least one failed; 2: figures are missing.",
        epilog=f"scenarios:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", nargs="?", choices=definitions.NAMES)
    parser.add_argument("--host", default="http://127.0.0.1:8000", help="URL of the API (%(default)s)")
    parser.add_argument("--huge", action="store_true", help="include a few jobs of 100,000 to 1,000,000 primes")
    parser.add_argument("--users", type=int, help="peak number of users; for step: number of users to stop at")
    parser.add_argument("--run-time", metavar="TIME", help="total duration, such as 90s or 10m")
    parser.add_argument("--processes", type=int, help="number of Locust processes (1); one process uses one core")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help=f"folder for HTML and CSV reports ({REPORTS}/SCENARIO)"
    )
    parser.add_argument("--web", action="store_true", help="start Locust's web UI, which can select a scenario")
    parser.add_argument("--web-port", type=int, default=8089, help="port of the web UI (%(default)s)")
    return parser


if __name__ == "__main__":
    main()
