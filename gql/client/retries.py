"""Retries while the server is unavailable, for example during a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from gql.client.errors import ServerUnavailableError

if TYPE_CHECKING:
    from tenacity import AttemptManager, RetryCallState

# A server that restarts is available again within seconds.
MAX_ATTEMPTS = 20
PAUSE_SECONDS = 0.5


def retrying() -> Retrying:
    """Up to 20 attempts with pauses between them. When all have failed, the last error is raised."""
    return Retrying(
        retry=retry_if_exception(_is_retryable),
        wait=_pause_seconds,
        stop=stop_after_attempt(MAX_ATTEMPTS),
        reraise=True,
    )


def renew(attempt: AttemptManager) -> None:
    """Allow 20 more attempts after progress, the next one without a pause."""
    attempt.retry_state.attempt_number = 0


def _is_retryable(error: BaseException) -> bool:
    if isinstance(error, httpx.UnsupportedProtocol):
        return False
    return isinstance(error, httpx.TransportError | ServerUnavailableError)


def _pause_seconds(state: RetryCallState) -> float:
    if state.attempt_number == 0:
        return 0
    error = state.outcome.exception() if state.outcome is not None else None
    requested = error.retry_after_seconds if isinstance(error, ServerUnavailableError) else 0
    return max(requested, PAUSE_SECONDS)
