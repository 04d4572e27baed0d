"""Each program accepts its deployed configuration, including the addresses."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.telemetry.binaries import program
from tests.e2e.telemetry.deployed import SERVICES, arguments

if TYPE_CHECKING:
    from pathlib import Path


def assert_accepted(command: list[str], folder: Path, service: str) -> None:
    """Run a program's own validation with only the service's environment variables."""
    environment = {"PATH": os.environ["PATH"], **SERVICES[service].get("environment", {})}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_collector_accepts_its_configuration(tmp_path: Path) -> None:
    assert_accepted([program("collector"), "validate", *arguments("otel-collector")], tmp_path, "otel-collector")


def test_jaeger_accepts_its_configuration(tmp_path: Path) -> None:
    assert_accepted([program("jaeger"), "validate", *arguments("jaeger")], tmp_path, "jaeger")


def test_victoria_metrics_accepts_its_flags_and_scrape_configuration(tmp_path: Path) -> None:
    flags = arguments("victoria-metrics", storageDataPath=str(tmp_path))
    assert_accepted([program("victoria-metrics"), *flags, "-promscrape.config.dryRun"], tmp_path, "victoria-metrics")


def test_vmalert_accepts_its_flags_and_the_rules(tmp_path: Path) -> None:
    assert_accepted([program("vmalert"), *arguments("vmalert"), "-dryRun"], tmp_path, "vmalert")
