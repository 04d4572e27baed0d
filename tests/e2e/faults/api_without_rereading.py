"""uvicorn, in whose API the feed trusts that it is told everything: after a reconnection it reads nothing again."""

from __future__ import annotations

import uvicorn

from tasks.api.feed import JobFeed


def _nothing(self: JobFeed) -> None:
    del self


if __name__ == "__main__":
    JobFeed._signal_all = _nothing  # type: ignore[method-assign] # noqa: SLF001 - switched off from outside
    uvicorn.main()
