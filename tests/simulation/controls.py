"""Negative controls: systems without one safeguard. The simulation must find each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tasks.api.feed import JobFeed
from tasks.storage.worker_scripts import Reconciliation
from tasks.worker.job_recorder import JobRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_IS_HOLDER = "segment.token == ARGS.token"
_UNEXPIRED = "tonumber(redis.call('ZSCORE', PREFIX .. 'leases', segment_member(ARGS.job, ARGS.index)) or 0) > NOW"


@dataclass(frozen=True, slots=True)
class Control:
    """What is replaced: texts of the scripts, and methods."""

    texts: Mapping[str, str] = field(default_factory=dict)
    methods: tuple[tuple[type, str, Any], ...] = ()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replace the methods until the block ends."""
        with pytest.MonkeyPatch.context() as patch:
            for owner, name, value in self.methods:
                patch.setattr(owner, name, value)
            yield


NO_CONTROL = Control()
CONTROLS: Mapping[str, Control] = {
    # A worker that has lost its segment may still write.
    "no-fencing": Control({f" and {_IS_HOLDER}": ""}),
    # A write before the lease ends by the clock is taken for its holder's.
    "trusted-clock": Control({_IS_HOLDER: _UNEXPIRED}),
    # Nothing looks for lost messages and expired leases.
    "no-rescue": Control(methods=((JobRecorder, "reconcile", lambda _: Reconciliation(0, 0, (), ())),)),
    # A feed that was disconnected does not read its jobs again.
    "no-reread": Control(methods=((JobFeed, "_notify_all", lambda _: None),)),
}
