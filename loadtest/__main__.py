"""One command for the usual runs: `python -m loadtest light`. It becomes Locust with the options that this takes."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from loadtest.scenarios import definitions
from loadtest.scenarios.step_load import OBJECTIVE_MS

ROOT = Path(__file__).parents[1]
REPORTS = Path(".cache/loadtest")


def main() -> None:
    """Replace this process by Locust, so that signals and exit code are Locust's own."""
    options = _parser().parse_args()
    if options.scenario is None and not options.web:
        _parser().error(f"name a scenario ({', '.join(definitions.NAMES)}), or --web")
    command = [sys.executable, "-m", "locust", *arguments(options)]
    # Locust imports the locustfile's neighbours from the folder that it is started in.
    os.chdir(ROOT)
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter, no shell


def arguments(options: argparse.Namespace) -> list[str]:
    """What Locust is told."""
    found = ["--locustfile", str(Path(__file__).with_name("locustfile.py")), "--host", options.host]
    found += ["--huge"] if options.huge else []
    found += ["--users", str(options.users)] if options.users else []
    found += ["--run-time", options.run_time] if options.run_time else []
    found += ["--processes", str(options.processes)] if options.processes else []
    if options.web:
        return [*found, "--class-picker", "--web-port", str(options.web_port)]
    folder = options.report.absolute() if options.report else ROOT / REPORTS / options.scenario
    found += ["--scenario", options.scenario, "--headless", "--only-summary", "--loglevel", "WARNING"]
    return [*found, "--html", str(folder / "report.html"), "--csv", str(folder / "run")]


def _parser() -> argparse.ArgumentParser:
    says = "\n".join(f"  {scenario.name:<8}{scenario.says}" for scenario in definitions.STAGED.values())
    says += f"\n  {definitions.STEP:<8}ever more users until p95 submit-to-final > {OBJECTIVE_MS} ms: the capacity"
    parser = argparse.ArgumentParser(
        "python -m loadtest",
        description="Load the system as people do. Exit code 0: all held; 1: something did not.",
        epilog=f"scenarios:\n{says}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", nargs="?", choices=definitions.NAMES)
    parser.add_argument("--host", default="http://127.0.0.1:8000", help="where the API is (%(default)s)")
    parser.add_argument("--huge", action="store_true", help="a few jobs of 100,000 to 1,000,000 primes as well")
    parser.add_argument("--users", type=int, help="another peak; of step: where it ends at the latest")
    parser.add_argument("--run-time", metavar="TIME", help="another length in all, as 90s or 10m")
    parser.add_argument("--processes", type=int, help="processes that make the load (1); for more than a core's worth")
    parser.add_argument("--report", type=Path, metavar="DIR", help=f"for HTML and CSV ({REPORTS}/SCENARIO)")
    parser.add_argument("--web", action="store_true", help="the web UI, where scenarios can be chosen")
    parser.add_argument("--web-port", type=int, default=8089, help="its port (%(default)s)")
    return parser


if __name__ == "__main__":
    main()
