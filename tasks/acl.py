"""Access control for the job store, one user per role with minimal permissions: `python -m tasks.acl FOLDER`.

Creates the passwords that are missing, random and unguessable, and writes the ACL file of Valkey or Redis >= 6.2, which
contains only their hashes:

    FOLDER/store/users.acl    for the server: --aclfile
    FOLDER/store/admin        password of `admin`, which has all permissions
    FOLDER/api/password       password of `api`: REDIS_PASSWORD_FILE of API processes
    FOLDER/worker/password    password of `worker`: REDIS_PASSWORD_FILE of worker processes

The API can access all keys under the prefix. Workers can access jobs and queues, but neither API keys nor rate limit
counters. Neither can change the server's configuration, access other keys or flush the database. Unauthenticated
clients can only PING.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from pathlib import Path

from tasks.settings import JobSettings
from tasks.settings.errors import read_or_exit

# Scripts and transactions, and the data types they use. CLIENT, CONFIG, KEYS and similar commands are in none of these
# groups, or belong to the server's group @dangerous.
_COMMANDS = (
    "-@all +@connection +@scripting +@transaction +@hash +@sortedset +@string +@list +@set +@keyspace +time -@dangerous"
)

# Key patterns under the prefix: all keys but the API's own, which begin with @. Scripts receive the bare prefix as key.
_WORKER_KEY_PATTERNS = ("", "[^@]*")

# The server runs as another user than the one that owns the files; API and workers run as their owner.
_READABLE_BY_OWNER = 0o400
_READABLE_BY_ALL = 0o444


def write_credentials(folder: Path, key_prefix: str) -> None:
    """Create missing passwords and write the ACL file for all passwords."""
    passwords = {
        "admin": _read_or_create_password(folder / "store" / "admin", _READABLE_BY_ALL),
        "api": _read_or_create_password(folder / "api" / "password", _READABLE_BY_OWNER),
        "worker": _read_or_create_password(folder / "worker" / "password", _READABLE_BY_OWNER),
    }
    users = folder / "store" / "users.acl"
    users.unlink(missing_ok=True)
    users.write_text(acl_file(passwords, key_prefix), encoding="utf-8")
    users.chmod(_READABLE_BY_ALL)


def acl_file(passwords: dict[str, str], key_prefix: str) -> str:
    """The users in the server's ACL file format."""
    hashed = {user: hashlib.sha256(password.encode()).hexdigest() for user, password in passwords.items()}
    worker_keys = " ".join(f"~{key_prefix}{pattern}" for pattern in _WORKER_KEY_PATTERNS)
    events = f"&{key_prefix}events"
    # Celery workers announce online and offline to each other, even when remote control is disabled.
    celery_events = f"&{key_prefix}/*.celeryev/*"
    return (
        "user default on nopass sanitize-payload resetkeys resetchannels -@all +ping\n"
        f"user admin on #{hashed['admin']} ~* &* +@all\n"
        f"user api on #{hashed['api']} ~{key_prefix}* resetchannels {events} {_COMMANDS} +@pubsub +info\n"
        f"user worker on #{hashed['worker']} {worker_keys} resetchannels {events} {celery_events} {_COMMANDS} "
        "+publish +brpop\n"
    )


def _read_or_create_password(path: Path, mode: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Renamed when complete: a partly written password would be kept.
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(0o600)
        unfinished.write_text(secrets.token_urlsafe(32), encoding="utf-8")
        unfinished.chmod(mode)
        unfinished.rename(path)
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    write_credentials(Path(sys.argv[1]), read_or_exit(JobSettings).key_prefix)
