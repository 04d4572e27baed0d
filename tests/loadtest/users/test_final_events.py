"""Final events: lost and repeated ones are violations, and a resumed stream is not."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtest.measurements import Violation
from loadtest.users.final_events import FinalEventTracker, Update


def event(version: int, status: str, job_id: str = "mine") -> Update:
    is_final = status in {"SUCCEEDED", "FAILED", "CANCELLED"}
    return Update(job_id, version, status, is_final, None, float(version), datetime.now(UTC))


def tracker_after(*updates: Update, completed: bool = True) -> FinalEventTracker:
    tracker = FinalEventTracker("mine")
    tracker.stream_opened()
    for update in updates:
        tracker.received(update)
    if completed:
        tracker.stream_completed()
    return tracker


def test_one_final_event_is_no_violation() -> None:
    tracker = tracker_after(event(1, "QUEUED"), event(2, "RUNNING"), event(3, "SUCCEEDED"))
    assert tracker.violations == []
    assert tracker.final is not None
    assert tracker.final.version == 3
    assert tracker.final_was_live


def test_a_job_that_was_already_final_is_no_live_event() -> None:
    tracker = tracker_after(event(3, "SUCCEEDED"))
    assert tracker.violations == []
    assert not tracker.final_was_live


def test_a_stream_that_completes_without_the_final_state_is_a_violation() -> None:
    assert tracker_after(event(1, "QUEUED"), event(2, "RUNNING")).violations == [Violation.LOST_FINAL]
    assert tracker_after().violations == [Violation.LOST_FINAL]


def test_an_overdue_final_event_is_lost() -> None:
    tracker = tracker_after(event(2, "RUNNING"), completed=False)
    tracker.final_event_overdue()
    assert tracker.violations == [Violation.LOST_FINAL]


def test_each_repetition_of_the_final_event_is_counted() -> None:
    tracker = tracker_after(event(3, "SUCCEEDED"), event(3, "SUCCEEDED"), event(3, "SUCCEEDED"))
    assert tracker.violations == [Violation.REPEATED_FINAL, Violation.REPEATED_FINAL]


def test_a_final_event_of_an_earlier_job_on_the_same_socket_is_a_repetition() -> None:
    tracker = tracker_after(event(5, "CANCELLED", job_id="earlier"), event(3, "SUCCEEDED"))
    assert tracker.violations == [Violation.REPEATED_FINAL]
    assert tracker.final is not None
    assert tracker.final.job_id == "mine"


def test_resuming_a_broken_stream_is_no_violation() -> None:
    tracker = tracker_after(event(1, "QUEUED"), event(2, "RUNNING"), completed=False)
    assert tracker.version == 2
    tracker.stream_opened()
    tracker.received(event(3, "SUCCEEDED"))
    tracker.stream_completed()
    assert tracker.violations == []
    assert not tracker.final_was_live


def test_a_final_event_repeated_by_a_resumed_stream_is_a_violation() -> None:
    tracker = tracker_after(event(3, "SUCCEEDED"), completed=False)
    tracker.stream_opened()
    tracker.received(event(3, "SUCCEEDED"))
    assert tracker.violations == [Violation.REPEATED_FINAL]
