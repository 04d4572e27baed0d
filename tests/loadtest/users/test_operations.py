"""Reading responses: errors in a 200 are failures, typed errors name them, and no name contains an id."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import build_schema, parse, validate

from loadtest.users import operations
from loadtest.users.operations import OperationError, expect_type, parse_update, response_data
from tests.programs import ROOT

JOB = {"id": "j", "version": 4, "status": "SUCCEEDED", "isFinal": True, "finishedAt": "2026-01-02T03:04:05.678Z"}


@pytest.mark.parametrize("name", ["SUBMIT", "CANCEL", "STATE", "PAGE", "FOLLOW"])
def test_every_operation_is_valid_in_the_schema(name: str) -> None:
    schema = build_schema((ROOT / "schema/schema.graphql").read_text(encoding="utf-8"))
    assert validate(schema, parse(getattr(operations, name))) == []


@pytest.mark.parametrize(
    ("response", "failure"),
    [
        (None, "not a GraphQL response"),
        ("<html>", "not a GraphQL response"),
        ({"data": None}, "no data"),
        ({"data": None, "errors": [{"message": "boom"}]}, "GraphQL error: boom"),
        ({"data": {"job": {}}, "errors": [{"message": "partial"}]}, "GraphQL error: partial"),
        (
            {"errors": [{"message": "job 01a20bc2-c1bc-7ff3-aee8-d6aeb41b6af8 is 12 s old"}]},
            "GraphQL error: job … is … s old",
        ),
    ],
)
def test_a_response_with_errors_or_without_data_is_a_failure(response: object, failure: str) -> None:
    with pytest.raises(OperationError) as raised:
        response_data(response)
    assert str(raised.value) == failure


def test_a_typed_error_is_a_failure_unless_it_is_expected() -> None:
    finished = {"__typename": "JobAlreadyFinished", "code": "JOB_ALREADY_FINISHED"}
    assert expect_type(finished, "CancelJobAccepted", "JobAlreadyFinished") is finished
    with pytest.raises(OperationError, match=r"^QueueFull$"):
        expect_type({"__typename": "QueueFull"}, "GeneratePrimesAccepted")


def test_an_update_has_the_server_time_and_the_arrival_time() -> None:
    found = parse_update({"data": {"jobUpdates": {"__typename": "JobUpdate", "job": JOB}}})
    assert (found.job_id, found.version, found.status, found.is_final) == ("j", 4, "SUCCEEDED", True)
    assert found.finished_at is not None
    assert found.finished_at.isoformat(timespec="milliseconds") == "2026-01-02T03:04:05.678+00:00"
    assert found.arrived_at > found.finished_at


def test_an_event_that_is_a_typed_error_is_a_failure() -> None:
    event: dict[str, Any] = {
        "data": {"jobUpdates": {"__typename": "BackendUnavailable", "code": "BACKEND_UNAVAILABLE"}}
    }
    with pytest.raises(OperationError, match=r"^BackendUnavailable$"):
        parse_update(event)
