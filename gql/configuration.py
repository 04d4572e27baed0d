"""Prints the page about all settings, made from the settings classes: `python -m gql.configuration`.

A test compares the page in docs/ with this output, so a setting can't be added or changed without it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import PydanticUndefined

from gql.local.settings import LocalSettings
from gql.server.settings import ServerSettings
from gql.settings import ApiSettings
from observability.logs import LogSettings
from tasks.settings import JobSettings
from tasks.settings.errors import values_of

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[1]

INTRODUCTION = """\
# Configuration

Every setting is an environment variable, and every one is optional.
An empty value counts as unset.
Every program reports an invalid value in one line and does not start.

This page is generated from the settings classes: `make configuration` writes it.
"""

CLOSING = """\
## Telemetry

The standard `OTEL_*` variables of OpenTelemetry configure traces, metrics and logs: see
[observability](observability.md).

## Result store in a bucket

With `RESULTS_URL=s3://bucket/path`, these configure access to the bucket:
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`.
Stores at `gs://` and `az://` read the variables of their vendors.

## Variables of libraries

A variable of Celery never changes the broker, the queues or the behaviour of a worker.
It is ignored with a warning, except those that describe the process, such as `CELERY_WORKER_CONCURRENCY`.
A variable of OpenTelemetry or of another library is ignored with a warning if the library can't use its value.
`PYTHONWARNINGS=error` is ignored, too.

The token issuer, a bucket, the collector and the server of `python -m gql.client` are reached through the proxies in
`HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY`, unless `NO_PROXY` has their host.
Connections to this machine never go through a proxy, and load tests connect directly, by HTTP and by WebSocket.

## Clients and load tests

| Variable | Meaning |
|---|---|
| `PRIMES_KEY` | API key or token that `python -m gql.client` and the [examples](clients.md) send |
| `LOADTEST_KEYS` | API keys of the simulated users, separated by commas: see [load testing](load-testing.md) |

## Containers

The variables that only `docker-compose.yml` reads (ports, images, Grafana's password) are in [docker](docker.md).
"""

# Defaults that are computed when the process starts.
COMPUTED = {"WORKERS": "number of processors, at most 4"}


class Section(NamedTuple):
    """The settings of one process role."""

    title: str
    text: str
    settings: type[BaseSettings]


SECTIONS = (
    Section(
        "API and workers",
        "API processes and workers share these, and must have the same values (`tasks/settings/`).",
        JobSettings,
    ),
    Section("API", "Only API processes read these (`gql/settings.py`).", ApiSettings),
    Section("API server", "Only `python -m gql` reads these (`gql/server/settings.py`).", ServerSettings),
    Section(
        "Local run",
        "`make run` reads these (`gql/local/settings.py`).\nAll variables are passed to API and worker.",
        LocalSettings,
    ),
    Section("Logging", "API processes and workers read these (`observability/logs.py`).", LogSettings),
)


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join((INTRODUCTION, *map(_section, SECTIONS), CLOSING))


def _section(section: Section) -> str:
    rows = [_row(name.upper(), field) for name, field in section.settings.model_fields.items()]
    head = "| Variable | Default | Values | Meaning |\n|---|---|---|---|"
    return "\n".join((f"## {section.title}\n\n{section.text}\n", head, *rows, ""))


def _row(name: str, field: FieldInfo) -> str:
    description = field.description or ""
    first = description.partition(" ")[0]
    meaning = (description[:1].upper() + description[1:] if first.isalpha() else description).replace("|", r"\|")
    return f"| `{name}` | {_default(name, field)} | {values_of(field)} | {meaning} |"


def _default(name: str, field: FieldInfo) -> str:
    if name in COMPUTED:
        return COMPUTED[name]
    if isinstance(field.default, Path):
        return f"`{field.default.relative_to(ROOT)}`"
    if field.default in {None, "", PydanticUndefined}:
        return ""
    text = str(field.default)
    return f"`{text.lower() if isinstance(field.default, bool) else text}`"


if __name__ == "__main__":
    sys.stdout.write(page())
