"""Faults of the product that the simulation found, each with the shortest history that shows it.

An example stays the same when actions are added or become more or less likely: each step draws from its own seed.
If the action of one of its steps draws differently, the example no longer finds the fault, and its test fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.controls import Control

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Example:
    """A shrunk history.

    Args:
        seed: what its steps draw.
        steps: actions by the numbers of their steps.
        without_fix: the system as it was.
        violation: what happened there.
    """

    seed: int
    steps: Mapping[int, str]
    without_fix: Control
    violation: str


EXAMPLES: Mapping[str, Example] = {
    # The lease of a job that is gone stayed for as long as the clock was set back.
    "leases after the clock was set back": Example(
        17,
        {
            14: "restart an API",
            19: "start a worker",
            21: "submit",
            23: "execute a call",
            24: "return an answer",
            27: "deliver a message",
            29: "execute a call",
            33: "delete a job's keys",
            46: "set the store's clock",
        },
        Control({"limit_scores(PREFIX .. 'leases', NOW + MAX_LEASE_MS)": ""}),
        "not at rest after 900 s: leases has 1",
    ),
    # An index expired before the jobs in it, which were not counted at admission any more.
    "indexes after the clock was set back": Example(
        751,
        {
            15: "restart an API",
            17: "submit",
            23: "submit",
            51: "execute a call",
            53: "set the store's clock",
            58: "make the store read-only",
            61: "make the store read-only",
            65: "submit",
            66: "execute a call",
            73: "submit",
            108: "submit",
            118: "a lifetime passes",
        },
        Control({"2 * JOB_TTL_MS": "JOB_TTL_MS"}),
        "7 jobs are open",
    ),
    # A job waited for almost its whole time-to-live. When its record was kept for longer, its files were not.
    "files of a job that waited long": Example(
        120_181_949,
        {
            3: "stop or start the result store",
            22: "push a foreign message",
            28: "restart an API",
            29: "submit",
            30: "execute a call",
            34: "stop or start the result store",
            49: "submit",
            50: "execute a call",
            52: "return an answer",
            53: "delay a message",
            54: "subscribe",
            55: "execute a call",
            58: "delay a message",
            60: "start a worker",
            61: "run a task",
            64: "delay a message",
            65: "read",
            67: "execute a call",
            69: "return an answer",
            72: "execute a call",
            74: "return an answer",
            75: "deliver a message",
            77: "execute a call",
            79: "return an answer",
            81: "execute a call",
            86: "a lease passes",
            87: "return an answer",
            88: "execute a call",
            89: "deliver a message",
            90: "execute a call",
            91: "submit",
            93: "subscribe",
            96: "return an answer",
            97: "execute a call",
            98: "execute a call",
            99: "deliver a message",
            101: "cancel",
            102: "return an answer",
            103: "submit",
            104: "set the store's clock",
            105: "execute a call",
            106: "execute a call",
            107: "execute a call",
            108: "subscribe",
            109: "return an answer",
            111: "return an answer",
            112: "execute a call",
            113: "return an answer",
            114: "return an answer",
            121: "stop a worker",
            123: "a lifetime passes",
            125: "submit again",
            126: "execute a call",
            132: "start a worker",
            133: "deliver a message",
            134: "deliver a message",
            135: "execute a call",
            145: "execute a call",
            146: "return an answer",
            147: "return an answer",
            148: "execute a call",
            149: "return an answer",
            168: "execute a call",
            169: "return an answer",
            170: "run a task",
            195: "sweep",
        },
        Control(
            {
                "keep_record(id, job.owner or '', job.folder)": "keep_record(id, job.owner or '')",
                "not is_end and job.folder": "nil",
                "not FINAL[job.status] and job.folder": "nil",
            }
        ),
        "file 0 of job 3 is wrong or missing",
    ),
    # The store lost in a restart that it had sent a segment which a worker then claimed, and sent it a second time: the
    # segment had a lease and was queued.
    "a send that the store has lost": Example(
        306_325_838,
        {
            28: "restart an API",
            30: "start a worker",
            49: "stop or start the result store",
            50: "start a worker",
            51: "submit",
            52: "read",
            59: "submit",
            60: "execute a call",
            74: "submit",
            75: "execute a call",
            80: "stop or start the result store",
            84: "lose an answer",
            86: "execute a call",
            87: "submit",
            88: "submit",
            89: "deliver a message",
            90: "submit",
            91: "deliver a message",
            92: "submit again",
            93: "submit",
            97: "execute a call",
            104: "seconds pass",
            105: "run a task",
            111: "run a task",
            119: "deliver a message",
            162: "restart the store without its last second",
        },
        Control({"if segment.state == 'leased' then return end": "segment.state = 'queued'"}),
        "job 2 has leased 1, must be 0",
    ),
}
