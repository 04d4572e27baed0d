"""The lease of a segment is extended while the segment is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.callers import ANYONE
from tasks.requests import PrimesRequest
from tasks.worker.job_recorder import JobRecorder
from tasks.worker.lease import LeaseExtender
from tests.tasks.keys import fake_result, grant_claim, reconcile
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.settings import JobSettings
    from tests.tasks.keys import Keys


async def test_lease_is_extended_while_the_segment_is_computed(
    store: JobStore, keys: Keys, settings: JobSettings
) -> None:
    job = (await store.submit_job(PrimesRequest(10), ANYONE)).job
    recorder = JobRecorder.connect(settings.model_copy(update={"lease_seconds": 0.3}))
    claim = grant_claim(recorder, job)
    first = keys.leases()[f"{job.id}:0"]
    extender = LeaseExtender(recorder)
    extender.start()
    with extender.extending(claim):
        wait_until(lambda: keys.leases()[f"{job.id}:0"] > first + 300)
        assert reconcile(recorder) == (0, 0)
    assert recorder.complete_segment(claim, fake_result())
