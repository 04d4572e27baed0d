"""What docker-compose.yml says of a service, for those who start the same program without a container engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]


def arguments(service: str, **instead: str) -> list[str]:
    """A service's command line, its mounted files where they are in the tree.

    Args:
        service: its name.
        instead: other values for some flags, dots in their names written as two underscores: here everything listens
            on the loopback address and writes into folders of its own. Each must be a flag that is deployed.
    """
    flags = dict(_flag(argument, service) for argument in SERVICES[service]["command"])
    for name, value in instead.items():
        assert name.replace("__", ".") in flags, f"{service} is not started with -{name}"
        flags[name.replace("__", ".")] = value
    return [f"-{name}" if value is None else f"-{name}={value}" for name, value in flags.items()]


def mounts(service: str) -> dict[str, Path]:
    """The files and folders of the tree that a service sees, by the paths at which it sees them."""
    volumes = [volume.split(":") for volume in SERVICES[service].get("volumes", [])]
    return {inside: ROOT / outside for outside, inside, *_ in volumes if outside.startswith("./")}


def _flag(argument: str, service: str) -> tuple[str, str | None]:
    name, equals, value = argument.partition("=")
    for inside, outside in mounts(service).items():
        if value == inside or value.startswith(f"{inside}/"):
            value = f"{outside}{value.removeprefix(inside)}"
    # Two dashes where the program wants two.
    return name[1:], value if equals else None
