"""The bounds of a request for primes."""

from __future__ import annotations

import pytest

from tasks.errors import FieldIssue, InvalidRequest
from tasks.jobs import LARGEST_PRIME, max_start_for
from tasks.requests import PrimesRequest


def issues_of(request: PrimesRequest, max_count: int = 1000) -> tuple[FieldIssue, ...]:
    with pytest.raises(InvalidRequest) as refused:
        request.check(max_count)
    assert str(refused.value) == "; ".join(issue.message for issue in refused.value.issues)
    return refused.value.issues


@pytest.mark.parametrize("count", [-(2**70), -1, 0, 1001, 2**53, 2**70])
def test_count_out_of_bounds_is_reported_with_its_bounds(count: int) -> None:
    [issue] = issues_of(PrimesRequest(count))
    assert issue == FieldIssue(("count",), f"count is {count}, must be 1 to 1000", 1, 1000)


@pytest.mark.parametrize("start", [-1, -(2**70), 2**53, 2**70])
def test_start_out_of_bounds_is_reported_with_its_bounds(start: int) -> None:
    [issue] = issues_of(PrimesRequest(10, start))
    max_start = max_start_for(10)
    assert issue == FieldIssue(("start",), f"start is {start}, must be 0 to {max_start}", 0, max_start)


@pytest.mark.parametrize("key", ["", "k" * 129, "a key", " k", "k\n", "k\t", "schlüssel", "\x7f", "\u0661"])
def test_idempotency_key_must_be_1_to_128_visible_ascii_characters(key: str) -> None:
    [issue] = issues_of(PrimesRequest(10, idempotency_key=key))
    assert issue.path == ("idempotencyKey",)
    assert issue.message == f"idempotencyKey has {len(key)} characters, must have 1 to 128, all visible ASCII (! to ~)"
    assert (issue.minimum, issue.maximum) == (None, None)


def test_all_issues_are_reported_together() -> None:
    issues = issues_of(PrimesRequest(0, -1, ""))
    assert [issue.path for issue in issues] == [("count",), ("start",), ("idempotencyKey",)]


@pytest.mark.parametrize(
    "request_",
    [
        PrimesRequest(1),
        PrimesRequest(1000),
        PrimesRequest(1, 0),
        PrimesRequest(1, LARGEST_PRIME),
        PrimesRequest(1000, max_start_for(1000)),
        PrimesRequest(1, idempotency_key="k"),
        PrimesRequest(1, idempotency_key="!~" * 64),
    ],
)
def test_request_at_its_bounds_is_accepted_unchanged(request_: PrimesRequest) -> None:
    assert request_.check(1000) is request_


def test_request_one_beyond_its_bounds_is_refused() -> None:
    assert issues_of(PrimesRequest(1, LARGEST_PRIME + 1))[0].maximum == LARGEST_PRIME
    assert issues_of(PrimesRequest(1000, max_start_for(1000) + 1))[0].maximum == max_start_for(1000)
