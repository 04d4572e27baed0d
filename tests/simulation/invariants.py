"""What holds after every step of a history, and what holds at its end."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from tasks.jobs import JobStatus, segment_length
from tasks.results import delta_codec
from tasks.storage.records import parse_fields
from tasks.storage.worker_scripts import ClaimSegment, FencedScript
from tests.simulation.steps import CALLERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.history import History

TRANSITIONS = {
    "": {"QUEUED"},
    "QUEUED": {"QUEUED", "RUNNING", "CANCELLED"},
    "RUNNING": {"RUNNING", "QUEUED", "SUCCEEDED", "FAILED", "CANCELLED"},
}
OPEN = ("QUEUED", "RUNNING")
STATUSES = tuple(status.value for status in JobStatus)
LIMITS = {caller.owner: caller.limits for caller in CALLERS if caller.limits is not None}

# Keys that may be without a time-to-live: queues after another program has pushed to them, and what tools of Celery
# leave until the next heartbeat of a worker, or for good.
MAY_STAY = re.compile("small|large|tool-.*|_kombu.*")


class Invariants:
    """Checks what the last step changed."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._state = history.store
        # By job id: status and version at the last check.
        self._known: dict[str, tuple[str, int]] = {}
        # By job id and index: the newest token.
        self._tokens: dict[tuple[str, int], int] = {}
        self._names: dict[str, str] = {}
        # Records of jobs that are not final.
        self._open: dict[str, Mapping[str, str]] = {}

    def name(self, job_id: str) -> str:
        return self._names.setdefault(job_id, f"job {len(self._names) + 1}")

    def forget(self) -> None:
        """The store has lost its last second: what was seen may be seen again."""
        self._known = {job_id: (record["status"], int(record["version"])) for job_id, record in self._records().items()}
        self._tokens.clear()

    def note_reply(self, script: type, named: Mapping[str, Any], reply: list[Any]) -> None:
        """Check a script's reply: one fencing token holds."""
        if not issubclass(script, (ClaimSegment, FencedScript)):
            return
        fields = parse_fields(reply)
        if issubclass(script, FencedScript):
            key = (named["job"], int(named["index"]))
            newest = self._tokens.get(key)
            if not fields.get("fenced") and newest is not None and int(named["token"]) != newest:
                self._violate(
                    f"{script.name} of {self.name(key[0])}:{key[1]} was accepted with token {named['token']}, "
                    f"and {newest} is newer"
                )
        for claim in [fields["claim"]] if fields.get("claim") else fields.get("next", ()):
            granted = parse_fields(claim)
            key = (granted["job"].decode(), granted["index"])
            if granted["token"] < self._tokens.get(key, 0):
                self._violate(f"{self.name(key[0])}:{key[1]} was claimed with token {granted['token']} again")
            self._tokens[key] = granted["token"]

    def check(self) -> None:
        """Check everything that the last step changed."""
        changed, self._state.changed = self._state.changed, set()
        if not changed:
            return
        # A job's keys together. In a fixed order, so that a seed always finds the same violation first.
        for job_id in sorted({key[4:40] for key in changed if key.startswith("job:")}):
            self._check_job(job_id)
        for key in sorted(changed):
            if (
                key in self._state.state.values
                and key not in self._state.state.expiries
                and not MAY_STAY.fullmatch(key)
            ):
                self._violate(f"the key {key} has no time-to-live")
        self._check_admission()

    def unrest(self) -> list[str]:
        """What is still queued, leased or open."""
        state = self._state.state
        open_jobs = [f"{self.name(i)} is {r['status']}" for i, r in self._records().items() if r["status"] in OPEN]
        keys = ("leases", "sent:small", "sent:large", "small", "large")
        return open_jobs + [f"{key} has {state.length(key)}" for key in keys if state.length(key)]

    def check_rest(self) -> None:
        """Nothing is queued, leased or counted open, and results are right."""
        state, records = self._state.state, self._records()
        for caller in CALLERS:
            for status in OPEN:
                prefix = f"owner:{caller.owner}:" if caller.owner else ""
                if left := [i for i in state.scores(f"{prefix}jobs:{status}") if i in records]:
                    self._violate(f"{len(left)} jobs of {caller.owner or 'anyone'} are listed as {status}")
        if state.length("deadlines") and (left := [i for i in state.scores("deadlines") if i in records]):
            self._violate(f"{len(left)} jobs have a deadline")
        for job_id, record in records.items():
            self._check_result(job_id, record)

    def check_expired(self) -> None:
        """No key and no file outlives what it is for."""
        if left := [key for key in self._state.state.values if not MAY_STAY.fullmatch(key)]:
            self._violate(f"keys are left: {sorted(left)}")
        if files := sorted(self._history.files.files):
            self._violate(f"files are left: {files}")

    def _violate(self, words: str) -> None:
        self._history.violate(words)

    def _records(self) -> dict[str, dict[str, str]]:
        values = self._state.state.values
        return {key[4:]: value.content for key, value in values.items() if key[:4] == "job:" and key.count(":") == 1}

    def _check_job(self, job_id: str) -> None:
        state = self._state.state
        record = state.hash(f"job:{job_id}")
        if not record:
            if (
                job_id in self._known
                and f"job:{job_id}:segments" in state.values
                and job_id not in self._history.deleted
            ):
                self._violate(f"segments of {self.name(job_id)} outlive its record")
            self._known.pop(job_id, None)
            self._open.pop(job_id, None)
            return
        if record["status"] in OPEN:
            self._open[job_id] = record
        else:
            self._open.pop(job_id, None)
        self._check_transition(job_id, record)
        self._check_segments(job_id, record)
        self._check_indexes(job_id, record)

    def _check_transition(self, job_id: str, record: Mapping[str, str]) -> None:
        status, version = record["status"], int(record["version"])
        before, version_before = self._known.get(job_id, ("", 0))
        self._known[job_id] = (status, version)
        if before and before not in OPEN:
            if (status, version) != (before, version_before):
                self._violate(f"{self.name(job_id)} was {before} in version {version_before}, is {status} in {version}")
        elif status not in TRANSITIONS[before]:
            self._violate(f"{self.name(job_id)} was {before or 'new'} and is {status}")
        elif version < version_before or (status != before and version == version_before):
            self._violate(f"{self.name(job_id)} is {status} in version {version} after {before} in {version_before}")
        if not before and (key := record.get("idempotency_key")):
            self._check_idempotency(job_id, record.get("owner", ""), key)

    def _check_idempotency(self, job_id: str, owner: str, key: str) -> None:
        state = self._state.state
        name = f"owner:{owner}:idempotency:{key}" if owner else f"idempotency:{key}"
        value = state.values.get(name)
        if value is None or value.content.decode() != job_id:
            self._violate(f"{self.name(job_id)} is new and its idempotency key does not find it")

    def _check_segments(self, job_id: str, record: Mapping[str, str]) -> None:
        found = {int(i): orjson.loads(text) for i, text in self._state.state.hash(f"job:{job_id}:segments").items()}
        done = sorted(index for index, segment in found.items() if segment["state"] == "done")
        leased = [index for index, segment in found.items() if segment["state"] == "leased"]
        count, start = int(record["count"]), int(record["start"])
        prefix = next((index for index in range(int(record["segments"])) if index not in done), int(record["segments"]))
        expected: dict[str, object] = {
            "segments_done": len(done),
            "done": sum(segment_length(count, index) for index in done),
            "prefix": prefix,
            # The end of a job takes its segments from their workers without looking at each.
            "leased": len(leased) if record["status"] in OPEN else 0,
        }
        if 0 in done:
            expected["first"] = start
        if prefix == int(record["segments"]):
            expected["last"] = start + count - 1
        for name, value in expected.items():
            if record.get(name) != str(value):
                self._violate(f"{self.name(job_id)} has {name} {record.get(name)}, must be {value}")
        if (record["status"] == "SUCCEEDED") != (prefix == int(record["segments"])):
            self._violate(
                f"{self.name(job_id)} is {record['status']} with {len(done)} of {record['segments']} segments"
            )
        leases = self._state.state.scores("leases")
        if record["status"] in OPEN and sorted(leased) != sorted(
            int(member[37:]) for member in leases if member.startswith(job_id)
        ):
            self._violate(f"the leases of {self.name(job_id)} are not those of its segments {leased}")
        sent = [
            int(member[37:])
            for member in self._state.state.scores(f"sent:{record['queue']}")
            if member.startswith(job_id)
        ]
        if not_queued := [index for index in sent if found[index]["state"] != "queued"]:
            self._violate(f"segments {not_queued} of {self.name(job_id)} wait for a worker and are not queued")

    def _check_indexes(self, job_id: str, record: Mapping[str, str]) -> None:
        owner = record.get("owner", "")
        prefix = f"owner:{owner}:" if owner else ""
        state = self._state.state
        listed = [status for status in STATUSES if job_id in state.scores(f"{prefix}jobs:{status}")]
        if listed != [record["status"]]:
            self._violate(f"{self.name(job_id)} is {record['status']} and listed as {listed}")

    def _check_admission(self) -> None:
        if len(self._open) > self._history.settings.queue_capacity:
            self._violate(f"{len(self._open)} jobs are open")
        for owner, limits in LIMITS.items():
            owned = [int(record["count"]) for record in self._open.values() if record.get("owner") == owner]
            if len(owned) > limits.open_jobs or sum(owned) > limits.open_count:
                self._violate(f"{owner} has {len(owned)} open jobs of {sum(owned)} primes")

    def _check_result(self, job_id: str, record: Mapping[str, str]) -> None:
        """A result that can still be read is right, down to each prime."""
        if record["status"] != "SUCCEEDED" or int(record["result_expires_at"]) <= self._history.latest_ms:
            return
        count, start, segments = int(record["count"]), int(record["start"]), int(record["segments"])
        length = segment_length(count, 0)
        parts = [
            np.arange(start, start + count, dtype=np.uint64)[i * length : (i + 1) * length] for i in range(segments)
        ]
        digests = [hashlib.sha256(part.tobytes()).hexdigest() for part in parts]
        stored = self._state.state.hash(f"job:{job_id}:segments").values()
        # Segments of an older version have none.
        expected = "".join(digests) if all("digest" in json.loads(text) for text in stored) else None
        if record.get("digests") != expected:
            self._violate(f"the digests of {self.name(job_id)} are wrong")
        if (result_id := record.get("folder")) is None:
            value = self._state.state.values.get(f"job:{job_id}:result")
            if value is None or not np.array_equal(delta_codec.decode(value.content), np.concatenate(parts)):
                self._violate(f"the result of {self.name(job_id)} is wrong or missing")
            return
        for index, part in enumerate(parts):
            if self._history.files.files.get((result_id, index)) != part.tobytes():
                self._violate(f"file {index} of {self.name(job_id)} is wrong or missing")
