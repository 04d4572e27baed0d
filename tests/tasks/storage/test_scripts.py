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
from tasks.storage import api_scripts, scripts, worker_scripts
from tasks.storage.api_scripts import ListJobs, SubmitJob
from tasks.storage.scripts import SHARED, Script
from tasks.storage.worker_scripts import ClaimSegment, CompleteSegment, ExtendLease
from tests.programs import ROOT

if TYPE_CHECKING:
    import redis

    from tasks.api.job_store import JobStore
    from tasks.settings import JobSettings
    from tests.tasks.keys import Keys


LUA = ROOT / "tasks/storage/lua"
LIBRARY = "".join((LUA / f"{part}.lua").read_text(encoding="utf-8") for part in SHARED)
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
    tails = {SubmitJob(owner="").uuid_tail for _ in range(1000)}
    assert len(tails) == 1000
    for tail in tails:
        assert uuid.UUID(f"01945b7e-1c2d-{tail}").version == 7
        assert uuid.UUID(f"01945b7e-1c2d-{tail}").variant == uuid.RFC_4122


def test_arguments_are_passed_by_position_as_texts_numbers_and_bytes() -> None:
    complete = CompleteSegment(
        job="a job", index=1, token=2, length=3, first="5", last="11", digest="ab", deltas=b"\x00\xff"
    )
    assert complete.encode() == ["a job", 1, 2, 3, "5", "11", "ab", b"\x00\xff", b"[]", "", "", ""]
    page = ListJobs(
        owner="",
        statuses=["QUEUED", "RUNNING"],
        size=10,
        from_oldest=True,
        older_than=None,
        newer_than="a job",
        created_after_ms=None,
        created_before_ms=5,
    )
    assert page.encode() == ["", b'["QUEUED","RUNNING"]', 10, 1, "", "a job", "", 5]


ECHO = """return cjson.encode({ ARGS.owner, ARGS.statuses, ARGS.size, ARGS.from_oldest, ARGS.older_than == nil,
    ARGS.newer_than, ARGS.created_after_ms == nil, ARGS.created_before_ms })"""


def test_scripts_read_arguments_by_name_and_type(redis_client: redis.Redis, settings: JobSettings) -> None:
    page = ListJobs(
        owner="",
        statuses=["QUEUED"],
        size=10,
        from_oldest=False,
        older_than=None,
        newer_than="a job",
        created_after_ms=None,
        created_before_ms=5,
    )
    [arguments] = re.findall("^local ARGS = .*$", scripts.load_script(ListJobs, settings), re.MULTILINE)
    script = redis_client.register_script(f"{arguments}\n{ECHO}")
    assert json.loads(script(args=page.encode())) == ["", ["QUEUED"], 10, False, True, "a job", True, 5]


def test_scripts_contain_only_the_functions_that_they_use(settings: JobSettings) -> None:
    extend = scripts.load_script(ExtendLease, settings)
    assert "function require_lease" in extend
    # Used by require_lease.
    assert "function load_segment" in extend
    assert "function queue_stats" not in extend
    assert len(re.findall("^local function", extend, re.MULTILINE)) < 12


def test_functions_that_only_a_conditional_function_uses_are_part_of_it(settings: JobSettings) -> None:
    claim = scripts.load_script(ClaimSegment, settings)
    outer = claim.index("local function lose_attempt(")
    assert outer < claim.index("local function fail_job(") < claim.index("segment.lost = segment.lost + 1")
    # Used elsewhere, too.
    assert claim.index("local function move_in_indexes(") < outer


@pytest.mark.parametrize("script", CALLS, ids=lambda script: script.name)
def test_scripts_define_each_name_before_they_use_it(
    redis_client: redis.Redis, settings: JobSettings, script: type[Script[Any]]
) -> None:
    """An undefined name is an error only when its line runs."""
    text = scripts.load_script(script, settings)
    names = set(re.findall(r"^local (?:function )?(\w+)", LIBRARY, re.MULTILINE)) - {"time"}
    code = re.sub(r"'[^']*'|\[==\[.*?\]==\]", "", text)
    for name in names & set(re.findall(r"\w+", code)):
        defined = re.search(rf"^local (?:function )?{name}\b", code, re.MULTILINE)
        assert defined is not None, name
        first_use = re.search(rf"\b{name}\b", code)
        assert first_use is not None
        assert first_use.start() > defined.start(), name
    assert redis_client.script_load(text)


def test_each_script_has_one_call() -> None:
    files = sorted(path.stem for path in LUA.glob("*.lua") if path.stem not in SHARED)
    assert sorted(script.name for script in CALLS) == files


@pytest.mark.parametrize("script", CALLS, ids=lambda script: script.name)
def test_arguments_are_those_that_the_script_reads(script: type[Script[Any]]) -> None:
    passed = {field.name for field in fields(script)}  # type: ignore[arg-type] # a dataclass
    own = set(re.findall(r"ARGS\.(\w+)", (LUA / f"{script.name}.lua").read_text(encoding="utf-8")))
    shared = set(re.findall(r"ARGS\.(\w+)", LIBRARY))
    assert own - passed == set()
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
