"""Arguments of scripts pass through JSON and Lua unchanged, and ids are valid UUIDs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tasks.requests import PrimesRequest
from tasks.storage.scripts import new_uuid_tail

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tests.tasks.keys import Keys


# Texts that look like numbers or options, and the name of a record field.
@pytest.mark.parametrize("key", ["-", "--5", "-5", "5", "1e9", "0x10", "status", "!~", "9" * 128])
async def test_idempotency_key_is_stored_unchanged(store: JobStore, key: str) -> None:
    job = (await store.submit_job(PrimesRequest(10, idempotency_key=key))).job
    assert job.idempotency_key == key
    [found] = await store.get_jobs([job.id])
    assert found is not None
    assert found.idempotency_key == key


@pytest.mark.parametrize("start", [0, 2, 2**43 + 1, 9007199254740881])
async def test_start_is_stored_without_loss_of_digits(store: JobStore, keys: Keys, start: int) -> None:
    job = (await store.submit_job(PrimesRequest(1, start))).job
    assert job.start == start
    assert keys.record(job.id)["start"] == str(start)


def test_ids_are_unique_uuids_of_version_7() -> None:
    tails = {new_uuid_tail() for _ in range(1000)}
    assert len(tails) == 1000
    for tail in tails:
        assert uuid.UUID(f"01945b7e-1c2d-{tail}").version == 7
        assert uuid.UUID(f"01945b7e-1c2d-{tail}").variant == uuid.RFC_4122
