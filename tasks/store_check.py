"""Checks of both stores before a program starts: what it could never work with is refused, an outage is not."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import redis

from tasks.results.object_store import ObjectStore
from tasks.settings.errors import InvalidSettingError
from tasks.storage import keys
from tasks.storage.redis import sync_client

if TYPE_CHECKING:
    from tasks.settings import JobSettings

_SECONDS = 2

# As obstore reads booleans.
_TRUE = frozenset({"1", "true", "on", "yes", "y"})


def check(settings: JobSettings) -> None:
    """Connect to the store, ask it for its mode, and read a key.

    Raises:
        InvalidSettingError: it is in cluster mode, or refuses the keys to its user.
        redis.RedisError: it does not answer within 2 s, or refuses the credentials.
    """
    with sync_client(settings, _SECONDS, _SECONDS) as client:
        # Every user may call it, other than INFO.
        reply = client.execute_command("HELLO")
        if b"cluster" in (reply.values() if isinstance(reply, dict) else reply):
            raise InvalidSettingError(
                f"REDIS_URL is {settings.redis_url}: the server is in cluster mode, must be a single server or a "
                "primary with replicas"
            )
        try:
            client.zcard(keys.workers_key(settings.key_prefix))
        except redis.exceptions.NoPermissionError as error:
            raise InvalidSettingError(
                f"KEY_PREFIX is {settings.key_prefix}: the user of the job store has no permission for it: {error}"
            ) from error
        except redis.BusyLoadingError:
            # It answers soon.
            return


def check_or_exit(settings: JobSettings) -> None:
    """For programs that wait for their stores: exit with one line if one of them can never be used."""
    try:
        # A folder may be repaired meanwhile. It is created when it is first used.
        if not settings.result_store_url.startswith("file:"):
            _check_endpoint()
            ObjectStore.connect(settings.result_store_url)
        with suppress(redis.RedisError):
            check(settings)
    except ValueError as error:
        name = "" if isinstance(error, InvalidSettingError) else "RESULTS_URL is invalid: "
        sys.exit(f"error: {name}{error}")


def _check_endpoint() -> None:
    """Check the address of an S3 server, which obstore reads itself and would find out at the first file."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        endpoint = os.environ.get(name, "")
        if endpoint and not re.match("https?://[^/]", endpoint):
            raise InvalidSettingError(f"{name} is invalid: must be an http:// or https:// URL")
        if endpoint.startswith("http:") and os.environ.get("AWS_ALLOW_HTTP", "").lower() not in _TRUE:
            raise InvalidSettingError(f"{name} is invalid: must begin with https://, or set AWS_ALLOW_HTTP=true")
