"""Shutdown of a worker: segments that it has not completed go to other workers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import redis
from celery import bootsteps
from celery.utils.log import get_logger

from tasks.worker.job_recorder import JobRecorder

if TYPE_CHECKING:
    from celery import Celery
    from celery.worker import WorkController

    from tasks.settings import JobSettings

log = get_logger(__name__)


def connect(app: Celery, settings: JobSettings) -> None:
    """Let each worker of an app release its segments when it is terminated."""
    ReleaseSegmentsStep.settings = settings
    app.steps["worker"].add(ReleaseSegmentsStep)


class ReleaseSegmentsStep(bootsteps.StartStopStep):
    """Releases a worker's segments when it is terminated before its tasks finish, so that no lease has to expire."""

    requires = ("celery.worker.components:Pool",)
    settings: ClassVar[JobSettings]

    def start(self, worker: WorkController) -> None:
        """Nothing is claimed yet."""

    def stop(self, worker: WorkController) -> None:
        """Warm shutdown: the tasks finish first, so nothing is left to release."""

    def terminate(self, worker: WorkController) -> None:
        """Cold shutdown: the pool's processes may still write until they are killed, but are fenced from now on."""
        try:
            released = JobRecorder.connect(self.settings, retries=0).release_segments(worker.hostname)  # type: ignore[attr-defined] # not in the stubs
        except redis.RedisError as error:
            log.warning("Segments not released, job store unavailable; their leases will expire: %s", error)
        else:
            log.info("Shutdown: %d segments released to other workers", released)
