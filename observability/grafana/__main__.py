"""Write the dashboards, or check that they are up to date: `python -m observability.grafana [--check]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from observability.grafana import generator

_FOLDER = Path(__file__).parent / "dashboards"


def main(folder: Path = _FOLDER) -> int:
    """Returns 1 when --check finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m observability.grafana", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 and print the differences, if any"
    )
    if not parser.parse_args().check:
        generator.write(folder)
        return 0
    differences = generator.differences(folder)
    for line in differences:
        sys.stdout.write(f"{line}\n")
    if differences:
        sys.stdout.write("The dashboards are not up to date. Run: python -m observability.grafana\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
