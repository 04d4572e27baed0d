"""A user of the job store for each role, with what it needs and no more: `python -m tasks.acl FOLDER`.

Writes, where they are missing, a password for each user that somebody made up who can't be asked, and the file by which
Valkey (or Redis from 6.2 on) knows the users, with hashes of the passwords:

    FOLDER/store/users.acl    for the server: --aclfile
    FOLDER/store/admin        the password of `admin`, who may do all
    FOLDER/api/password       REDIS_PASSWORD_FILE of the API, whose user is `api`
    FOLDER/worker/password    and of workers, whose user is `worker`

The API reaches all keys under the prefix; a worker those of jobs and queues, but no API keys and none of the callers'
counters. Neither may change the server, see its other keys, or empty it. Whoever has no password may ask whether the
server is there.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from pathlib import Path

from tasks.settings import JobSettings

# Scripts and transactions, and within them what records and messages are made of. CLIENT, CONFIG, KEYS and the like are
# in none of these groups, or are dangerous by the server's own word.
_COMMANDS = (
    "-@all +@connection +@scripting +@transaction +@hash +@sortedset +@string +@list +@set +@keyspace +time -@dangerous"
)

# Under the prefix, all but the API's own, whose names begin with this sign. The prefix alone is what scripts are told.
_WORKERS_KEYS = ("", "[^@]*")

# The server looks at them as another user, and programs as their own one.
_FOR_THEIR_OWNER = 0o400
_FOR_THE_SERVER = 0o444


def write(folder: Path, key_prefix: str) -> None:
    """Write what is missing. The file of users is always written, with the passwords that are there."""
    passwords = {
        "admin": _password(folder / "store" / "admin", _FOR_THE_SERVER),
        "api": _password(folder / "api" / "password", _FOR_THEIR_OWNER),
        "worker": _password(folder / "worker" / "password", _FOR_THEIR_OWNER),
    }
    users = folder / "store" / "users.acl"
    users.unlink(missing_ok=True)
    users.write_text(users_file(passwords, key_prefix), encoding="utf-8")
    users.chmod(_FOR_THE_SERVER)


def users_file(passwords: dict[str, str], key_prefix: str) -> str:
    """The users as the server reads them."""
    hashed = {user: hashlib.sha256(password.encode()).hexdigest() for user, password in passwords.items()}
    workers_keys = " ".join(f"~{key_prefix}{pattern}" for pattern in _WORKERS_KEYS)
    events = f"&{key_prefix}events"
    # Celery's workers tell each other when they come and go, whether anybody listens or not.
    presence = f"&{key_prefix}/*.celeryev/*"
    return (
        "user default on nopass sanitize-payload resetkeys resetchannels -@all +ping\n"
        f"user admin on #{hashed['admin']} ~* &* +@all\n"
        f"user api on #{hashed['api']} ~{key_prefix}* resetchannels {events} {_COMMANDS} +@pubsub +info\n"
        f"user worker on #{hashed['worker']} {workers_keys} resetchannels {events} {presence} {_COMMANDS} "
        "+publish +brpop\n"
    )


def _password(path: Path, mode: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Whole, or not there: half a password would be kept for ever.
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(0o600)
        unfinished.write_text(secrets.token_urlsafe(32), encoding="utf-8")
        unfinished.chmod(mode)
        unfinished.rename(path)
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), JobSettings().key_prefix)
