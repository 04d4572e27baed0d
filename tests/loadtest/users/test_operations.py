"""What an answer means: errors in a 200 are failures, typed errors go by their names, and no name has an id in it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import build_schema, parse, validate

from loadtest.users import operations
from loadtest.users.operations import OperationFailed, accepted, data, update
from tests.programs import ROOT

JOB = {"id": "j", "version": 4, "status": "SUCCEEDED", "isFinal": True, "finishedAt": "2026-01-02T03:04:05.678Z"}


@pytest.mark.parametrize("name", ["SUBMIT", "CANCEL", "STATE", "PAGE", "FOLLOW"])
def test_every_operation_fits_the_schema(name: str) -> None:
    schema = build_schema((ROOT / "schema/schema.graphql").read_text(encoding="utf-8"))
    assert validate(schema, parse(getattr(operations, name))) == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (None, "not an answer of GraphQL"),
        ("<html>", "not an answer of GraphQL"),
        ({"data": None}, "no data"),
        ({"data": None, "errors": [{"message": "boom"}]}, "GraphQL error: boom"),
        ({"data": {"job": {}}, "errors": [{"message": "half of it"}]}, "GraphQL error: half of it"),
        (
            {"errors": [{"message": "job 01a20bc2-c1bc-7ff3-aee8-d6aeb41b6af8 is 12 s old"}]},
            "GraphQL error: job … is … s old",
        ),
    ],
)
def test_an_answer_without_all_of_its_data_is_a_failure(answer: object, failure: str) -> None:
    with pytest.raises(OperationFailed) as raised:
        data(answer)
    assert str(raised.value) == failure


def test_a_typed_error_is_a_failure_of_its_name_unless_it_is_expected() -> None:
    finished = {"__typename": "JobAlreadyFinished", "code": "JOB_ALREADY_FINISHED"}
    assert accepted(finished, "CancelJobAccepted", "JobAlreadyFinished") is finished
    with pytest.raises(OperationFailed, match=r"^QueueFull$"):
        accepted({"__typename": "QueueFull"}, "GeneratePrimesAccepted")


def test_an_update_tells_the_servers_moment_and_its_own() -> None:
    found = update({"data": {"jobUpdates": {"__typename": "JobUpdate", "job": JOB}}})
    assert (found.job_id, found.version, found.status, found.is_final) == ("j", 4, "SUCCEEDED", True)
    assert found.finished_at is not None
    assert found.finished_at.isoformat(timespec="milliseconds") == "2026-01-02T03:04:05.678+00:00"
    assert found.arrived_at > found.finished_at


def test_an_event_that_is_a_typed_error_goes_by_its_name() -> None:
    event: dict[str, Any] = {
        "data": {"jobUpdates": {"__typename": "BackendUnavailable", "code": "BACKEND_UNAVAILABLE"}}
    }
    with pytest.raises(OperationFailed, match=r"^BackendUnavailable$"):
        update(event)
