"""API keys from the command line: `python -m gql.keys create NAME`, `list`, `revoke ID`.

On the job store that REDIS_URL and KEY_PREFIX name. API processes see a change within seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from gql.auth.api_keys import KeyStore
from tasks.errors import BackendUnavailable
from tasks.settings import JobSettings

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it was done, 1 with one line when not."""
    chosen = read(arguments)
    try:
        return asyncio.run(run(chosen))
    except (BackendUnavailable, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is to be done; ends the program where that is not clear."""
    parser = argparse.ArgumentParser(prog="python -m gql.keys", description="Create, list and revoke API keys.")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="a new key, printed once and never again")
    create.add_argument("name", help="the caller's: all keys of one name reach the same jobs")
    create.add_argument("--days", type=float, help="it expires after so many (default: it is to be revoked)")
    commands.add_parser("list", help="ids, names and dates, but no secrets")
    revoke = commands.add_parser("revoke", help="let a key hold no longer, and end its streams")
    revoke.add_argument("id", help="as list has it, or the key itself")
    return parser.parse_args(arguments)


async def run(chosen: argparse.Namespace) -> int:
    """Do it."""
    store = KeyStore.connect(JobSettings())
    try:
        match chosen.command:
            case "create":
                lasts = None if chosen.days is None else timedelta(days=chosen.days)
                sys.stdout.write(f"{await store.create(chosen.name, lasts)}\n")
            case "list":
                for record in await store.list_all():
                    until = (
                        "until revoked" if record.expires_at is None else f"until {record.expires_at:%Y-%m-%d %H:%M}Z"
                    )
                    sys.stdout.write(
                        f"{record.id}  {record.name}  since {record.created_at:%Y-%m-%d %H:%M}Z, {until}\n"
                    )
            case _:
                key_id = chosen.id.removeprefix("primes_").partition("_")[0]
                if not await store.revoke(key_id):
                    sys.stderr.write(f"error: there is no key {key_id}\n")
                    return 1
    finally:
        await store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
