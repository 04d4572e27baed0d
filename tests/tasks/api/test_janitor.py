"""Deleting results that no job needs any more."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tasks.api.janitor import ResultJanitor
from tasks.callers import ANYONE
from tasks.requests import PrimesRequest
from tasks.results import parquet
from tasks.results.segments import SegmentStore
from tasks.results.writer import SegmentWriter
from tests.waiting import eventually

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.settings import JobSettings

EXPIRED = "01945b7e-1c2d-7abc-8def-0123456789ab"


@pytest.fixture
def folder(settings: JobSettings) -> Path:
    return Path(settings.results_url.removeprefix("file://"))


async def write_result(settings: JobSettings, result_id: str) -> None:
    writer = SegmentWriter.connect(settings.results_url)
    await asyncio.to_thread(writer.put_segment, result_id, 0, parquet.encode(np.arange(20_000, dtype=np.uint64)))


@pytest.fixture
def janitor(store: JobStore, settings: JobSettings) -> ResultJanitor:
    return ResultJanitor(store, SegmentStore.connect(settings.results_url))


async def test_results_of_unknown_jobs_are_deleted_and_live_and_recent_ones_are_kept(
    janitor: ResultJanitor, store: JobStore, settings: JobSettings, folder: Path
) -> None:
    live = (await store.submit_job(PrimesRequest(20_000), ANYONE)).job.id
    # So recent that the store may not know it yet.
    recent = f"{live[:14]}7abc-8def-0123456789ab"
    for result_id in (live, EXPIRED, recent):
        await write_result(settings, result_id)
    assert EXPIRED in await janitor.sweep()
    assert [(folder / result_id).exists() for result_id in (live, EXPIRED, recent)] == [True, False, True]
    shutil.rmtree(folder / recent)


async def test_a_started_janitor_deletes_expired_results_until_it_is_stopped(
    janitor: ResultJanitor, settings: JobSettings, folder: Path
) -> None:
    await write_result(settings, EXPIRED)
    janitor.start()

    async def deleted() -> bool:
        return not (folder / EXPIRED).exists()

    await eventually(deleted)
    await janitor.stop()
    assert "result janitor" not in {task.get_name() for task in asyncio.all_tasks()}
