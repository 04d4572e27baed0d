"""API and worker access to job records under the test's own key prefix, and the keys themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tasks.api.job_store import JobStore
from tasks.worker.job_recorder import JobRecorder
from tests.tasks.keys import Keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis

    from tasks.settings import JobSettings


@pytest_asyncio.fixture
async def store(settings: JobSettings) -> AsyncIterator[JobStore]:
    store = JobStore.connect(settings)
    yield store
    await store.close()


@pytest.fixture
def recorder(settings: JobSettings) -> JobRecorder:
    return JobRecorder.connect(settings)


@pytest.fixture
def keys(redis_client: redis.Redis, prefix: str) -> Keys:
    return Keys(redis_client, prefix)
