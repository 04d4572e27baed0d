"""No sequence of steps by any number of workers makes a transition that the life cycle does not allow."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import redis
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.errors import JobAlreadyFinished, JobNotRetryable, QueueFull
from tasks.jobs import FailureReason, Job, JobStatus
from tasks.requests import PrimesRequest
from tasks.settings import JobSettings
from tasks.worker.job_recorder import JobRecorder
from tests.tasks.keys import Keys, complete_and_claim, fake_result, reconcile

if TYPE_CHECKING:
    from tasks.storage.worker_scripts import Claim
    from tests.programs import Valkey

CAPACITY = 4
ATTEMPTS = 2
MAX_STALE_MESSAGES = 8
OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass
class Model:
    """Expected state of a job of one segment."""

    status: JobStatus = JobStatus.QUEUED
    version: int = 1
    lost: int = 0
    holder: Claim | None = None
    expired: bool = False
    sent: bool = True
    overdue: bool = False
    claims: list[Claim] = field(default_factory=list)

    def moved(self, status: JobStatus) -> None:
        self.status = status
        self.version += 1
        if status.is_final:
            self.holder, self.sent, self.expired = None, False, False

    def lose(self) -> None:
        """An expired lease was detected. The step that follows raises the version."""
        self.lost += 1
        self.holder, self.expired = None, False
        if self.lost == ATTEMPTS:
            self.moved(JobStatus.FAILED)
        else:
            self.status = JobStatus.QUEUED

    def accepts_claim(self) -> bool:
        """Whether the next claim is granted. Detects an expired lease, as the script does."""
        if self.status.is_final or (self.holder and not self.expired):
            return False
        if self.holder:
            self.lose()
        return not self.status.is_final

    def claimed(self, claim: Claim) -> None:
        assert claim.attempt == self.lost + 1
        assert all(claim.token > earlier.token for earlier in self.claims)
        self.moved(JobStatus.RUNNING)
        self.holder, self.sent, self.overdue = claim, False, False
        self.claims.append(claim)


class LifeCycle(RuleBasedStateMachine):
    """Callers, workers and reconcilers act in an order that Hypothesis chooses."""

    valkey: Valkey
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        settings = JobSettings(
            redis_url=self.valkey.url,
            key_prefix=f"life-{uuid.uuid4().hex}:",
            queue_capacity=CAPACITY,
            max_attempts=ATTEMPTS,
        )
        self.client = redis.Redis.from_url(self.valkey.url)
        self.keys = Keys(self.client, settings.key_prefix)
        self.runner = asyncio.Runner()
        self.store = JobStore.connect(settings)
        self.recorder = JobRecorder.connect(settings)
        self.models: dict[str, Model] = {}

    def teardown(self) -> None:
        try:
            self._assert_final_jobs_leave_nothing()
        finally:
            self._close()

    def _close(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        keys = list(self.client.scan_iter(f"{self.keys.prefix}*", count=1000))
        if keys:
            self.client.delete(*keys)
        self.client.close()

    @rule(target=jobs)
    def submit(self) -> object:
        if self._open() >= CAPACITY:
            with pytest.raises(QueueFull):
                self.runner.run(self.store.submit_job(PrimesRequest(2), ANYONE))
            return multiple()
        return self._new(self.runner.run(self.store.submit_job(PrimesRequest(2), ANYONE)).job)

    @rule(target=jobs, job=jobs)
    def retry(self, job: str) -> object:
        if self.models[job].status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
            with pytest.raises(JobNotRetryable):
                self.runner.run(self.store.retry_job(job, ANYONE))
            return multiple()
        if self._open() >= CAPACITY:
            with pytest.raises(QueueFull):
                self.runner.run(self.store.retry_job(job, ANYONE))
            return multiple()
        return self._new(self.runner.run(self.store.retry_job(job, ANYONE)).job)

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        if self.models[job].status.is_final:
            with pytest.raises(JobAlreadyFinished):
                self.runner.run(self.store.cancel_job(job, ANYONE))
        else:
            self.runner.run(self.store.cancel_job(job, ANYONE))
            self.models[job].moved(JobStatus.CANCELLED)

    @rule(job=jobs)
    def deliver_message(self, job: str) -> None:
        """The first or a repeated one."""
        model = self.models[job]
        claim = self.recorder.claim_segment(job, 0)
        assert (claim is not None) == model.accepts_claim()
        if claim is not None:
            model.claimed(claim)

    @rule(job=jobs, data=st.data())
    def complete_and_claim_next(self, job: str, data: st.DataObject) -> None:
        """As the worker that holds the segment, or as one that has lost it and gets no other either."""
        model, messages = self.models[job], self.keys.queued_segments()
        if not model.claims:
            return
        completed = data.draw(st.sampled_from(model.claims))
        is_holder = completed is model.holder
        is_completed, claims = complete_and_claim(self.recorder, completed)
        claim = claims[0] if claims else None
        assert is_completed == is_holder
        if is_holder:
            model.moved(JobStatus.SUCCEEDED)
            taken = messages[:MAX_STALE_MESSAGES]
            for position, member in enumerate(taken):
                following = self.models[member[:36]]
                if following.accepts_claim():
                    assert claim is not None
                    assert (claim.job_id, claim.index) == (member[:36], 0)
                    following.claimed(claim)
                    taken = taken[: position + 1]
                    break
            else:
                assert claim is None
            assert self.keys.queued_segments() == messages[len(taken) :]
        else:
            assert claim is None
            assert self.keys.queued_segments() == messages

    @rule(job=jobs, data=st.data(), step=st.sampled_from(["extend", "complete", "fail"]))
    def write_as_worker(self, job: str, data: st.DataObject, step: str) -> None:
        """As the worker that holds the segment, or as one that has lost it."""
        model = self.models[job]
        if not model.claims:
            return
        claim = data.draw(st.sampled_from(model.claims))
        is_holder = claim is model.holder
        if step == "extend":
            assert self.recorder.extend_lease(claim) == is_holder
            model.expired = model.expired and not is_holder
        elif step == "complete":
            assert self.recorder.complete_segment(claim, fake_result()) == is_holder
            if is_holder:
                model.moved(JobStatus.SUCCEEDED)
        else:
            assert self.recorder.fail_job(claim, FailureReason.INTERNAL, "text") == is_holder
            if is_holder:
                model.moved(JobStatus.FAILED)

    @rule(job=jobs)
    def let_lease_expire(self, job: str) -> None:
        model = self.models[job]
        if model.holder:
            self.client.zadd(f"{self.keys.prefix}leases", {f"{job}:0": 1}, xx=True)
            model.expired = True

    @rule(messages_lost=st.booleans(), grace_passed=st.booleans())
    def run_reconciler(self, messages_lost: bool, grace_passed: bool) -> None:
        if messages_lost:
            self.keys.drop_messages()
        if grace_passed:
            self.keys.age_sent_messages(1_000_000)
            for model in self.models.values():
                model.overdue = model.sent
        queue_is_empty = not self.keys.messages()
        expired, resent = reconcile(self.recorder)
        lost = [model for model in self.models.values() if model.expired]
        assert expired == len(lost)
        overdue = [model for model in self.models.values() if model.sent and model.overdue]
        again = 0
        for model in lost:
            model.lose()
            if not model.status.is_final:
                model.moved(JobStatus.QUEUED)
                model.sent, model.overdue = True, False
                again += 1
        # Segments sent again for a lost worker are in the queue, so lost messages wait for the next run.
        if queue_is_empty and not again:
            again = len(overdue)
            for model in overdue:
                model.overdue = False
        assert resent == again

    @invariant()
    def records_match_the_model(self) -> None:
        found = self.runner.run(self.store.get_jobs(list(self.models), ANYONE))
        assert [(job.status, job.version) for job in found if job] == [
            (model.status, model.version) for model in self.models.values()
        ]

    @invariant()
    def indexes_match_the_records(self) -> None:
        assert self.keys.statuses_by_job() == {job: [model.status] for job, model in self.models.items()}
        assert set(self.keys.leases()) == {f"{job}:0" for job, model in self.models.items() if model.holder}
        assert set(self.keys.sent_at_ms()) == {f"{job}:0" for job, model in self.models.items() if model.sent}
        for job, model in self.models.items():
            assert self.keys.record(job)["leased"] == str(int(model.holder is not None))

    def _new(self, job: Job) -> str:
        assert job.id not in self.models
        self.models[job.id] = Model()
        return job.id

    def _open(self) -> int:
        return sum(model.status in OPEN for model in self.models.values())

    def _assert_final_jobs_leave_nothing(self) -> None:
        for model in self.models.values():
            model.expired = False
        for job, model in self.models.items():
            if not model.status.is_final:
                self.runner.run(self.store.cancel_job(job, ANYONE))
        assert self.keys.leases() == self.keys.sent_at_ms() == {}
        assert reconcile(self.recorder) == (0, 0)
        self.keys.client.delete(f"{self.keys.prefix}expiry")
        permanent = [key for key in self.client.scan_iter(f"{self.keys.prefix}*") if self.client.ttl(key) == -1]
        assert not permanent


def test_no_sequence_of_steps_violates_the_life_cycle(valkey: Valkey) -> None:
    here = type("LifeCycle", (LifeCycle,), {"valkey": valkey})
    run_state_machine_as_test(here, settings=examples(max_examples=25, stateful_step_count=30, deadline=None))
