"""Runs an API whose feed does not reread jobs after a reconnection, and so misses events."""

from __future__ import annotations

from gql.__main__ import main
from tasks.api.feed import JobFeed


def _do_nothing(self: JobFeed) -> None:
    del self


if __name__ == "__main__":
    JobFeed._notify_all = _do_nothing  # type: ignore[method-assign] # noqa: SLF001 - disabled from outside
    main()
