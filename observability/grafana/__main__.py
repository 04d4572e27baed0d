"""Write the dashboards, or see whether they are up to date: `python -m observability.grafana [--check]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from observability.grafana import generator

_FOLDER = Path(__file__).parent / "dashboards"


def main(folder: Path = _FOLDER) -> int:
    """Returns 1 when the files are not what would be written, and that was the question."""
    parser = argparse.ArgumentParser(prog="python -m observability.grafana", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    if not parser.parse_args().check:
        generator.write(folder)
        return 0
    differences = generator.differences(folder)
    for line in differences:
        sys.stdout.write(f"{line}\n")
    if differences:
        sys.stdout.write("The dashboards are not as generated: python -m observability.grafana writes them\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
