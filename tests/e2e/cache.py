"""A folder for what takes long to make, outside the repository: shared by all clones and concurrent runs of a user."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache_folder() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "async-prime-generator"


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Let concurrent runs make it one after the other. The kernel releases the lock when a run is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
