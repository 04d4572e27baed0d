"""API keys from the command line: `python -m gql.keys create NAME`, `list`, `revoke ID`.

Uses the job store at REDIS_URL with KEY_PREFIX. Running API processes apply changes within seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from gql.auth.api_keys import KEY_PREFIX, KeyStore
from tasks.errors import BackendUnavailable
from tasks.settings import JobSettings
from tasks.settings.errors import read_or_exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gql.auth.api_keys import KeyRecord


# A century.
_MAX_DAYS = 36_500


def main(command_line: Sequence[str] | None = None) -> int:
    """Exit status 0 on success, 1 with one line on stderr on errors."""
    arguments = parse_arguments(command_line)
    try:
        return asyncio.run(run(arguments))
    except (BackendUnavailable, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def parse_arguments(command_line: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line. Exits with an error when it is invalid."""
    parser = argparse.ArgumentParser(prog="python -m gql.keys", description="Create, list and revoke API keys.")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="create a key and print it; it can't be printed again")
    create.add_argument("name", help="name of the caller; all keys with the same name have access to the same jobs")
    create.add_argument("--days", type=_days, help="days until the key expires (default: valid until revoked)")
    commands.add_parser("list", help="print id, name, creation and expiry of each key, without secrets")
    revoke = commands.add_parser("revoke", help="revoke a key and end its open requests, streams and WebSockets")
    revoke.add_argument("id", help="id of the key as printed by list, or the key itself")
    return parser.parse_args(command_line)


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= _MAX_DAYS:
        raise argparse.ArgumentTypeError(f"{text}, must be more than 0, at most {_MAX_DAYS}")
    return days


async def run(arguments: argparse.Namespace) -> int:
    """Execute the command and return the exit status."""
    store = KeyStore.connect(read_or_exit(JobSettings))
    try:
        match arguments.command:
            case "create":
                lifetime = None if arguments.days is None else timedelta(days=arguments.days)
                sys.stdout.write(f"{await store.create(arguments.name, lifetime)}\n")
            case "list":
                sys.stdout.writelines(f"{_line(record)}\n" for record in await store.list_all())
            case _:
                key_id = arguments.id.removeprefix(KEY_PREFIX).partition("_")[0]
                if not await store.revoke(key_id):
                    sys.stderr.write(f"error: no API key has the id {key_id}\n")
                    return 1
    finally:
        await store.close()
    return 0


def _line(record: KeyRecord) -> str:
    expiry = "valid until revoked" if record.expires_at is None else f"expires {record.expires_at:%Y-%m-%d %H:%M}Z"
    return f"{record.id}  {record.name}  created {record.created_at:%Y-%m-%d %H:%M}Z, {expiry}"


if __name__ == "__main__":
    sys.exit(main())
