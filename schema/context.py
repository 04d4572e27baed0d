"""The context of resolvers: the job service for their caller, and the limits of a request."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias

import strawberry
from strawberry.fastapi import BaseContext

from tasks.errors import FieldIssue, InvalidRequest

if TYPE_CHECKING:
    import asyncio
    from contextlib import AbstractContextManager

    from schema.limits.settings import OperationLimits
    from tasks.callers import Caller
    from tasks.service import JobService, JobSystem


class Access(Protocol):
    """An authenticated caller, as far as operations need to know it. Authentication is done outside (gql.auth)."""

    @property
    def caller(self) -> Caller:
        """The owner of the jobs that operations can see."""

    @property
    def ended(self) -> asyncio.Event:
        """Set when the access ends: its credentials were revoked or have expired."""

    def streaming(self) -> AbstractContextManager[None]:
        """Counts one open stream of the caller while the block runs.

        Raises:
            RateLimited: the caller has as many streams open as it may.
        """


class Context(BaseContext):
    """One per HTTP request or WebSocket.

    Args:
        system: gives access to the jobs of the caller.
        limits: of one operation.
        caller: None: not known yet. A WebSocket is authenticated after it was opened, in connection_init.
        path_prefix: of the paths in results, without a trailing slash.
    """

    def __init__(
        self, system: JobSystem, limits: OperationLimits, caller: Caller | None, path_prefix: str = ""
    ) -> None:
        super().__init__()
        self.system = system
        self.limits = limits
        self.path_prefix = path_prefix
        # None: authentication is disabled.
        self.access: Access | None = None
        self._service = None if caller is None else system.for_caller(caller)

    @property
    def service(self) -> JobService:
        """The job service of the caller."""
        if self._service is None:
            raise RuntimeError("a resolver ran before its caller was authenticated")
        return self._service

    def authenticate(self, access: Access) -> None:
        """Bind this context to a caller."""
        self.access = access
        self._service = self.system.for_caller(access.caller)

    def wait(self, wait_ms: int) -> timedelta:
        """A requested wait as a duration.

        Raises:
            InvalidRequest: it is negative or longer than MAX_WAIT_MS.
        """
        longest = self.limits.max_wait_ms
        if not 0 <= wait_ms <= longest:
            message = f"waitMs is {wait_ms}, must be 0 to {longest}"
            raise InvalidRequest([FieldIssue(("waitMs",), message, 0, longest)])
        return timedelta(milliseconds=wait_ms)


Info: TypeAlias = strawberry.Info[Context, None]
