"""Errors of the client."""

from __future__ import annotations


class ClientError(Exception):
    """The request failed, and another attempt would not help."""


class ServerUnavailableError(ClientError):
    """The server can't handle the request at the moment. Another attempt may succeed."""

    def __init__(self, message: str, retry_after_seconds: float = 0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
