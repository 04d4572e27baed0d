"""Command lines and mounts of services in docker-compose.yml, to start the same programs without containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]


def arguments(service: str, **overrides: str) -> list[str]:
    """The command line of a service, with mounted files replaced by their paths in the repository.

    Args:
        service: the name of the service.
        overrides: other values for flags of the service, with two underscores for dots in their names: addresses on
            loopback, and folders for data. Each flag must be deployed.
    """
    flags = dict(_flag(argument, service) for argument in SERVICES[service]["command"])
    for name, value in overrides.items():
        assert name.replace("__", ".") in flags, f"{service} is not started with -{name}"
        flags[name.replace("__", ".")] = value
    return [f"-{name}" if value is None else f"-{name}={value}" for name, value in flags.items()]


def mounts(service: str) -> dict[str, Path]:
    """The mounted files and folders in the repository, by their path in the container."""
    volumes = [volume.split(":") for volume in SERVICES[service].get("volumes", [])]
    return {inside: ROOT / outside for outside, inside, *_ in volumes if outside.startswith("./")}


def _flag(argument: str, service: str) -> tuple[str, str | None]:
    name, equals, value = argument.partition("=")
    for inside, outside in mounts(service).items():
        if value == inside or value.startswith(f"{inside}/"):
            value = f"{outside}{value.removeprefix(inside)}"
    # Keeps the second dash of flags with two.
    return name[1:], value if equals else None
