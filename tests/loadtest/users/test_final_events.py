"""Accounting of final events: none is lost, none comes twice, and a resumed stream is no repetition."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtest.users.final_events import FinalAccount, Update, Violation


def event(version: int, status: str, job_id: str = "mine") -> Update:
    is_final = status in {"SUCCEEDED", "FAILED", "CANCELLED"}
    return Update(job_id, version, status, is_final, None, float(version), datetime.now(UTC))


def account(*updates: Update, completed: bool = True) -> FinalAccount:
    found = FinalAccount("mine")
    found.stream_opened()
    for update in updates:
        found.saw(update)
    if completed:
        found.stream_completed()
    return found


def test_one_final_event_is_as_it_should_be() -> None:
    found = account(event(1, "QUEUED"), event(2, "RUNNING"), event(3, "SUCCEEDED"))
    assert found.violations == []
    assert found.final is not None
    assert found.final.version == 3
    assert found.final_was_live


def test_a_job_that_was_final_already_is_told_of_once_and_is_no_news() -> None:
    found = account(event(3, "SUCCEEDED"))
    assert found.violations == []
    assert not found.final_was_live


def test_a_stream_that_completes_without_the_final_state_has_lost_it() -> None:
    assert account(event(1, "QUEUED"), event(2, "RUNNING")).violations == [Violation.LOST_FINAL]
    assert account().violations == [Violation.LOST_FINAL]


def test_a_final_event_that_does_not_come_though_the_job_is_final_is_lost() -> None:
    found = account(event(2, "RUNNING"), completed=False)
    found.known_to_be_final()
    assert found.violations == [Violation.LOST_FINAL]


def test_each_repetition_of_the_final_state_is_counted() -> None:
    found = account(event(3, "SUCCEEDED"), event(3, "SUCCEEDED"), event(3, "SUCCEEDED"))
    assert found.violations == [Violation.REPEATED_FINAL, Violation.REPEATED_FINAL]


def test_a_late_final_event_of_an_earlier_job_on_the_same_socket_is_a_repetition() -> None:
    found = account(event(5, "CANCELLED", job_id="earlier"), event(3, "SUCCEEDED"))
    assert found.violations == [Violation.REPEATED_FINAL]
    assert found.final is not None
    assert found.final.job_id == "mine"


def test_a_stream_that_breaks_before_the_end_is_resumed_without_a_violation() -> None:
    found = account(event(1, "QUEUED"), event(2, "RUNNING"), completed=False)
    assert found.version == 2
    found.stream_opened()
    found.saw(event(3, "SUCCEEDED"))
    found.stream_completed()
    assert found.violations == []
    assert not found.final_was_live


def test_the_final_state_on_a_resumed_stream_that_had_told_it_already_is_a_repetition() -> None:
    found = account(event(3, "SUCCEEDED"), completed=False)
    found.stream_opened()
    found.saw(event(3, "SUCCEEDED"))
    assert found.violations == [Violation.REPEATED_FINAL]
