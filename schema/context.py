"""What every resolver is handed: the job service and the bounds of a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import strawberry
from strawberry.fastapi import BaseContext

from tasks.errors import FieldIssue, InvalidRequest

if TYPE_CHECKING:
    from schema.limits.stream_quota import Access
    from tasks.service import JobService


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one request may ask for."""

    max_page_size: int = 1_000
    max_wait_ms: int = 30_000

    def wait(self, wait_ms: int) -> timedelta:
        """The wait that a caller asked for.

        Raises:
            InvalidRequest: it is negative or too long.
        """
        if not 0 <= wait_ms <= self.max_wait_ms:
            message = f"waitMs is {wait_ms}, must be 0 to {self.max_wait_ms}"
            raise InvalidRequest([FieldIssue(("waitMs",), message, 0, self.max_wait_ms)])
        return timedelta(milliseconds=wait_ms)


class Context(BaseContext):
    """One per HTTP request or WebSocket; a WebSocket's caller is known once it has begun."""

    def __init__(self, service: JobService, bounds: Bounds, access: Access | None = None) -> None:
        super().__init__()
        self.service = service
        self.bounds = bounds
        # None: nobody is asked who is there.
        self.access: Access | None = None
        if access is not None:
            self.enter(access)

    def enter(self, access: Access) -> None:
        """From here on, this is the caller's: only its jobs are there."""
        self.access = access
        self.service = self.service.for_caller(access.caller)


Info: TypeAlias = strawberry.Info[Context, None]
