"""Settings of a local run, read once by __main__. An invalid value is one line, not a traceback.

API and worker read their own settings when they start. They are validated here as well, so that an error is reported
before anything runs, and not twice in a stream of log lines.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, RedisDsn, ValidationError

from gql.local.errors import LocalRunError
from gql.server import binding
from gql.server.settings import Address, ServerSettings
from gql.settings import ApiSettings
from observability.logs import LogSettings
from tasks.settings import JobSettings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ROOT = Path(__file__).parents[2]

# More processes wait for memory rather than get more done. WORKERS overrides it.
_MAX_DEFAULT_WORKERS = 4

# Values that may contain a password.
_SECRET = frozenset({"redis_url"})


# Absolute, because the programs have another working directory.
Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class LocalSettings(Address):
    """Address, data folder and number of worker processes. Each field is an environment variable."""

    data_dir: Folder = Field(ROOT / ".data", description="a folder that keeps jobs and results, e.g. DATA_DIR=.data")
    redis_url: RedisDsn | None = Field(
        None, description="redis://HOST:PORT/DB or rediss://..., or unset for the embedded server"
    )
    workers: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, _MAX_DEFAULT_WORKERS),
        ge=1,
        le=256,
        description="a whole number of worker processes from 1 to 256, e.g. WORKERS=2",
    )
    no_color: str = Field("", description="any text disables colour")
    term: str = Field("", description="terminal type; dumb disables colour")


def read_settings() -> LocalSettings:
    """This run's settings.

    Raises:
        LocalRunError: a variable of the local run, the API or the worker has an invalid value.
    """
    try:
        settings = LocalSettings()
        # The embedded server has no address yet: any valid one passes.
        JobSettings(redis_url=settings.redis_url or RedisDsn("redis://127.0.0.1"))
        authentication = ApiSettings().authentication
        ServerSettings()
        LogSettings()
    except ValidationError as error:
        raise LocalRunError("; ".join(_line(detail) for detail in error.errors())) from None
    if not authentication and not binding.is_loopback(settings.host):
        raise LocalRunError(binding.open_access_error(settings.host))
    return settings


def _line(detail: ErrorDetails) -> str:
    if not detail["loc"]:
        return detail["msg"].removeprefix("Value error, ")
    field = str(detail["loc"][0])
    name = field.upper()
    value = "invalid" if field in _SECRET else str(detail["input"])[:80]
    known = LocalSettings.model_fields.get(field)
    bound = f"must be {known.description}" if known is not None else detail["msg"]
    return f"{name} is {value}: {bound}"
