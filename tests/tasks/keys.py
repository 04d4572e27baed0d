"""The keys in the store under one prefix, for tests that check or alter them directly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from opentelemetry.trace import INVALID_SPAN

from tasks import engine
from tasks.jobs import JobStatus
from tasks.results import delta_codec
from tasks.worker.job_recorder import Completion, SegmentResult

if TYPE_CHECKING:
    from redis import Redis

    from tasks.jobs import Job
    from tasks.storage.worker_scripts import Claim
    from tasks.worker.job_recorder import JobRecorder


@dataclass(frozen=True, slots=True)
class Keys:
    """Reads and alters keys without the scripts."""

    client: Redis
    prefix: str

    def record(self, job_id: str) -> dict[str, str]:
        found = cast("dict[bytes, bytes]", self.client.hgetall(f"{self.prefix}job:{job_id}"))
        return {name.decode(): value.decode() for name, value in found.items()}

    def segments(self, job_id: str) -> dict[int, dict[str, Any]]:
        found = cast("dict[bytes, bytes]", self.client.hgetall(f"{self.prefix}job:{job_id}:segments"))
        return {int(index): json.loads(segment) for index, segment in found.items()}

    def messages(self, queue: str = "small") -> list[dict[str, Any]]:
        """The messages in a queue, in the order in which workers take them."""
        found = cast("list[bytes]", self.client.lrange(f"{self.prefix}{queue}", 0, -1))
        return [json.loads(message) for message in reversed(found)]

    def queued_segments(self, queue: str = "small") -> list[str]:
        """The segments in a queue as {id}:{index}, in the order in which workers take them."""
        return [message["headers"]["id"] for message in self.messages(queue)]

    def drop_messages(self, queue: str = "small") -> None:
        self.client.delete(f"{self.prefix}{queue}")

    def leases(self) -> dict[str, float]:
        return self._scores("leases")

    def deadlines(self) -> dict[str, float]:
        return self._scores("deadlines")

    def deadline(self, job_id: str) -> float:
        return self.deadlines()[job_id]

    def expire_deadline(self, job_id: str) -> None:
        self.client.zadd(f"{self.prefix}deadlines", {job_id: 1}, xx=True)

    def sent_at_ms(self, queue: str = "small") -> dict[str, float]:
        return self._scores(f"sent:{queue}")

    def job_ids_with_status(self, status: JobStatus) -> set[str]:
        return set(self._scores(f"jobs:{status}"))

    def statuses_by_job(self) -> dict[str, list[JobStatus]]:
        """Every listed job, and the statuses under which it is listed."""
        found: dict[str, list[JobStatus]] = {}
        for status in JobStatus:
            for job_id in self.job_ids_with_status(status):
                found.setdefault(job_id, []).append(status)
        return found

    def expire_leases(self) -> None:
        """Let all leases expire, as if no worker had extended them."""
        for member in self.leases():
            self.client.zadd(f"{self.prefix}leases", {member: 1}, xx=True)

    def age_sent_messages(self, milliseconds: int, queue: str = "small") -> None:
        """Shift the times at which messages were sent into the past."""
        for member, score in self.sent_at_ms(queue).items():
            self.client.zadd(f"{self.prefix}sent:{queue}", {member: score - milliseconds}, xx=True)

    def ttl_ms(self, key: str) -> int:
        """The time-to-live of a key in ms; -1: no expiry, -2: no such key."""
        return self.client.pttl(f"{self.prefix}{key}")

    def now_ms(self) -> int:
        seconds, microseconds = self.client.time()
        return seconds * 1000 + microseconds // 1000

    def _scores(self, key: str) -> dict[str, float]:
        found = cast("list[tuple[bytes, float]]", self.client.zrange(f"{self.prefix}{key}", 0, -1, withscores=True))
        return {member.decode(): score for member, score in found}


def compute_result(claim: Claim) -> SegmentResult:
    """The correct result of a claimed segment of a small job."""
    primes = engine.primes_from(claim.start, claim.length)
    return SegmentResult(int(primes[0]), int(primes[-1]), delta_codec.sha256(primes), delta_codec.encode(primes))


def fake_result(last: int = 3) -> SegmentResult:
    """A result for tests that do not depend on its primes."""
    primes = np.array([2, last], dtype=np.uint64)
    return SegmentResult(2, last, delta_codec.sha256(primes), delta_codec.encode(primes))


def grant_claim(recorder: JobRecorder, job: Job, index: int = 0) -> Claim:
    """Claim a segment. Fails the test if the claim is refused."""
    claim = recorder.claim_segment(job.id, index)
    assert claim is not None
    return claim


def complete_and_claim(
    recorder: JobRecorder, claim: Claim, worker: str = "celery@here", limit: int = 1
) -> tuple[bool, list[Claim]]:
    """Complete a segment with a fake result and claim next ones. Fails the test if the store refuses."""
    [outcome], claims = recorder.complete_and_claim_next(
        [Completion(claim, fake_result(), INVALID_SPAN)], worker, limit
    )
    assert isinstance(outcome, bool)
    return outcome, claims


def reconcile(recorder: JobRecorder) -> tuple[int, int]:
    """Run the reconciler once. Returns the number of expired leases and of messages sent again."""
    done = recorder.reconcile()
    return done.expired_leases, done.resent_segments
