"""Scripts and their calls agree; arguments pass through JSON and Lua unchanged, and ids are valid UUIDs."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from tasks.callers import ANYONE
from tasks.jobs import FailureReason, JobStatus
from tasks.requests import PrimesRequest
from tasks.storage import api_scripts, worker_scripts
from tasks.storage.api_scripts import SubmitJob
from tasks.storage.scripts import SHARED, Script
from tasks.storage.worker_scripts import CompleteSegment
from tests.programs import ROOT

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.settings import JobSettings
    from tests.tasks.keys import Keys


LUA = ROOT / "tasks/storage/lua"
CALLS: list[type[Script[Any]]] = [
    call
    for module in (api_scripts, worker_scripts)
    for call in vars(module).values()
    if isinstance(call, type) and issubclass(call, Script) and "name" in vars(call)
]


# Texts that look like numbers or options, and the name of a record field.
@pytest.mark.parametrize("key", ["-", "--5", "-5", "5", "1e9", "0x10", "status", "!~", "9" * 128])
async def test_idempotency_key_is_stored_unchanged(store: JobStore, key: str) -> None:
    job = (await store.submit_job(PrimesRequest(10, idempotency_key=key), ANYONE)).job
    assert job.idempotency_key == key
    [found] = await store.get_jobs([job.id], ANYONE)
    assert found is not None
    assert found.idempotency_key == key


@pytest.mark.parametrize("start", [0, 2, 2**43 + 1, 9007199254740881])
async def test_start_is_stored_without_loss_of_digits(store: JobStore, keys: Keys, start: int) -> None:
    job = (await store.submit_job(PrimesRequest(1, start), ANYONE)).job
    assert job.start == start
    assert keys.record(job.id)["start"] == str(start)


def test_ids_are_unique_uuids_of_version_7() -> None:
    tails = {SubmitJob(owner="", capacity=1, max_attempts=1).uuid_tail for _ in range(1000)}
    assert len(tails) == 1000
    for tail in tails:
        assert uuid.UUID(f"01945b7e-1c2d-{tail}").version == 7
        assert uuid.UUID(f"01945b7e-1c2d-{tail}").variant == uuid.RFC_4122


def test_bytes_are_passed_separately_and_missing_arguments_omitted(settings: JobSettings) -> None:
    complete = CompleteSegment(
        job="a job", index=1, token=2, length=3, first="5", last="11", digest="ab", deltas=b"\x00\xff"
    )
    arguments, deltas = complete.encode(settings)
    assert json.loads(arguments) == {
        "job_ttl_ms": settings.job_ttl_seconds * 1000,
        "result_ttl_ms": settings.result_ttl_seconds * 1000,
        "job": "a job",
        "index": 1,
        "token": 2,
        "length": 3,
        "first": "5",
        "last": "11",
        "digest": "ab",
    }
    assert deltas == b"\x00\xff"
    [retry] = SubmitJob(owner="", capacity=1, max_attempts=1, retry_of="a job").encode(settings)
    assert json.loads(retry).keys() - json.loads(arguments).keys() == {
        "owner",
        "capacity",
        "max_attempts",
        "retry_of",
        "uuid_tail",
    }


def test_each_script_has_one_call() -> None:
    files = sorted(path.stem for path in LUA.glob("*.lua") if path.stem not in SHARED)
    assert sorted(script.name for script in CALLS) == files


@pytest.mark.parametrize("script", CALLS, ids=lambda script: script.name)
def test_arguments_are_those_that_the_script_reads(script: type[Script[Any]]) -> None:
    passed = {field.name for field in fields(script) if field.type != "bytes"}  # type: ignore[arg-type] # a dataclass
    own = set(re.findall(r"ARGS\.(\w+)", (LUA / f"{script.name}.lua").read_text(encoding="utf-8")))
    shared = {
        name
        for part in SHARED
        for name in re.findall(r"ARGS\.(\w+)", (LUA / f"{part}.lua").read_text(encoding="utf-8"))
    }
    assert own - passed <= {"job_ttl_ms", "result_ttl_ms"}
    assert passed - own <= shared


def test_statuses_and_reasons_in_scripts_are_those_of_the_domain() -> None:
    written = set()
    for path in LUA.glob("*.lua"):
        code = re.sub(r"redis\.call\('\w+'|'(?:WITHSCORES|LIMIT|PX|GT)'", "", path.read_text(encoding="utf-8"))
        written |= set(re.findall(r"'([A-Z_]+)'", code))
    assert written - {*JobStatus, *FailureReason} == set()
    assert set(re.findall(r"^  ([A-Z]+) = {", (LUA / "lib.lua").read_text(encoding="utf-8"), re.MULTILINE)) == {
        status for status in JobStatus if not status.is_final
    }
