"""Deletes results that no job needs any more from the result store, in a background loop of each API process."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from tasks.cancellation import cancel_and_wait
from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.api.job_store import JobStore
    from tasks.results.segments import SegmentStore

log = logging.getLogger(__name__)

# Each sweep costs one listing of the result store and one script call.
SWEEP_INTERVAL = timedelta(minutes=1)

# Results of younger jobs are left alone: their jobs may be about to use them.
MIN_RESULT_AGE = timedelta(minutes=2)


class ResultJanitor:
    """Deletes expired results and files that late writes of lost workers left behind. One per API process."""

    def __init__(self, store: JobStore, files: SegmentStore) -> None:
        self._store = store
        self._files = files
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the background loop."""
        self._loop = asyncio.create_task(self._run(), name="result janitor")

    async def stop(self) -> None:
        """Stop the background loop."""
        if self._loop is not None:
            await cancel_and_wait(self._loop)

    async def sweep(self) -> Sequence[str]:
        """Delete all results that no job needs any more. Returns their result ids."""
        return await self._files.sweep(self._store.live_result_ids, MIN_RESULT_AGE)

    async def _run(self) -> None:
        while True:
            try:
                deleted = await self.sweep()
            except BackendUnavailable as error:
                log.warning("Sweep of expired results failed, next attempt in %s: %s", SWEEP_INTERVAL, error)
            else:
                if deleted:
                    log.info("Deleted %d expired results from the result store", len(deleted))
            await asyncio.sleep(SWEEP_INTERVAL.total_seconds())
