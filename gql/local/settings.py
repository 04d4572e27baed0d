"""Settings of a local run, read once by __main__. An invalid value is one line, not a traceback.

API and worker read their own settings when they start. They are validated here as well, so that an error is reported
before anything runs, and not twice in a stream of log lines.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from gql.local.errors import LocalRunError
from gql.server import binding
from gql.server.settings import Address, ServerSettings
from gql.settings import ApiSettings
from observability.logs import LogSettings
from tasks.settings import JobSettings, RedisUrl
from tasks.settings.errors import InvalidSettingError, read

ROOT = Path(__file__).parents[2]

# More processes wait for memory rather than get more done. WORKERS overrides it.
_MAX_DEFAULT_WORKERS = 4


# Absolute, because the programs have another working directory.
Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class LocalSettings(Address):
    """Address, data folder and number of worker processes. Each field is an environment variable."""

    data_dir: Folder = Field(ROOT / ".data", description="a folder that keeps jobs and results, e.g. DATA_DIR=.data")
    redis_url: RedisUrl | None = Field(
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
        settings = read(LocalSettings)
        # The embedded server has its own address, and no password.
        read(JobSettings, **{} if settings.redis_url else {"redis_password_file": None})
        authentication = read(ApiSettings).authentication
        read(ServerSettings)
        read(LogSettings)
    except InvalidSettingError as error:
        raise LocalRunError(str(error)) from None
    if not authentication and not binding.is_loopback(settings.host):
        raise LocalRunError(binding.open_access_error(settings.host))
    return settings
