"""Each expected failure has its union member and its GraphQL error."""

from __future__ import annotations

from typing import Any

import pytest

from schema.context import Context
from schema.error_codes import ErrorCode
from schema.errors.convert import graphql_error, user_error
from schema.limits.settings import OperationLimits
from schema.schema import build_schema
from tasks import errors
from tasks.callers import ANYONE
from tests.failures import EXAMPLES, JOB, NewFailure, expected_failures

# The code, whether it is retryable, and the milliseconds to wait.
TABLE = {
    errors.InvalidRequest: ("VALIDATION", False, None),
    errors.JobNotFound: ("JOB_NOT_FOUND", False, None),
    errors.JobAlreadyFinished: ("JOB_ALREADY_FINISHED", False, None),
    errors.JobNotRetryable: ("JOB_NOT_RETRYABLE", False, None),
    errors.IdempotencyConflict: ("IDEMPOTENCY_CONFLICT", False, None),
    errors.QueueFull: ("QUEUE_FULL", True, 2_000),
    errors.RateLimited: ("RATE_LIMITED", True, 2_000),
    errors.BackendUnavailable: ("BACKEND_UNAVAILABLE", True, 2_000),
    errors.StorePermissionMissing: ("BACKEND_UNAVAILABLE", True, 1_000),
    errors.ResultStoreUnavailable: ("BACKEND_UNAVAILABLE", True, 1_000),
    errors.SegmentMissing: ("BACKEND_UNAVAILABLE", True, 1_000),
    errors.SegmentDamaged: ("BACKEND_UNAVAILABLE", True, 1_000),
}
CANCEL = 'mutation { cancelJob(id: "x") { __typename ... on UserError { code } } }'


def test_table_has_every_expected_failure() -> None:
    assert {type(error) for error in EXAMPLES} == expected_failures()
    assert TABLE.keys() == expected_failures()


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_union_member_has_code_message_and_time_to_wait(error: errors.JobError) -> None:
    code, retryable, retry_after_ms = TABLE[type(error)]
    found = user_error(error)
    assert found.code is ErrorCode(code)
    assert found.message == str(error)
    assert found.retryable is retryable
    assert getattr(found, "retry_after_ms", None) == retry_after_ms


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_graphql_error_has_the_same_code_message_and_time_to_wait(error: errors.JobError) -> None:
    code, _, retry_after_ms = TABLE[type(error)]
    found = graphql_error(error)
    assert found.message == str(error)
    expected = {"code": code} if retry_after_ms is None else {"code": code, "retryAfterMs": retry_after_ms}
    assert found.extensions == expected


def test_failure_missing_from_the_table_is_a_server_error() -> None:
    with pytest.raises(NotImplementedError, match="NewFailure has no member of UserError"):
        user_error(NewFailure())


def test_issues_start_at_the_given_path() -> None:
    found: Any = user_error(EXAMPLES[0], "input")
    [issue] = found.issues
    assert issue.path == ["input", "count"]
    assert (issue.min, issue.max) == (1, 5)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
async def test_field_without_a_union_returns_a_graphql_error_with_the_code(error: errors.JobError) -> None:
    result = await build_schema().execute('{ node(id: "x") { id } }', context_value=failing_context(error))
    [found] = result.errors or []
    assert found.message == str(error)
    assert found.extensions == graphql_error(error).extensions


async def test_mutation_returns_a_failure_of_its_union_as_data() -> None:
    result = await build_schema().execute(CANCEL, context_value=failing_context(errors.JobAlreadyFinished(JOB)))
    assert result.errors is None
    assert result.data == {"cancelJob": {"__typename": "JobAlreadyFinished", "code": "JOB_ALREADY_FINISHED"}}


async def test_failure_that_a_union_does_not_have_is_a_server_error(caplog: pytest.LogCaptureFixture) -> None:
    result = await build_schema().execute(CANCEL, context_value=failing_context(errors.JobNotRetryable(JOB)))
    [found] = result.errors or []
    assert (found.extensions or {})["code"] == "INTERNAL_SERVER_ERROR"
    assert "JobNotRetryable" in caplog.text


def failing_context(error: errors.JobError) -> Any:
    """The context of a resolver whose service always fails."""

    async def fail(_: str) -> None:
        raise error

    service: Any = type("Service", (), {"get_job": staticmethod(fail), "cancel_job": staticmethod(fail)})()
    system: Any = type("System", (), {"for_caller": lambda *_: service})()
    return Context(system, OperationLimits(), ANYONE)
