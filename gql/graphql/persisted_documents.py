"""Trusted documents: operations that clients request by identifier (persisted documents of GraphQL over HTTP).

The manifest is a JSON object from identifiers (`sha256:` and 64 hexadecimal digits) to documents, in the format that
code generators write. It is read once, when the process starts.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from gql.graphql.requests import RequestRefused
from gql.http.json_text import parse_json
from tasks.settings.errors import InvalidSettingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOT_FOUND = "PERSISTED_DOCUMENT_NOT_FOUND"
REQUIRED = "TRUSTED_DOCUMENT_REQUIRED"


class PersistedDocuments:
    """Documents by identifier. With `only`, requests with any other document are refused."""

    def __init__(self, documents: Mapping[str, str] | None = None, *, only: bool = False) -> None:
        self._documents = dict(documents or {})
        self.only = only

    @classmethod
    def load(cls, path: Path | None, *, only: bool) -> PersistedDocuments:
        """Read the manifest. Without a path there are no documents.

        Raises:
            InvalidSettingError: the manifest is missing or malformed, or an identifier is not the hash of its document.
        """
        if path is None:
            return cls(only=only)
        try:
            documents = parse_json(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"not JSON, {error}"
            raise InvalidSettingError(f"TRUSTED_DOCUMENTS is {path}: {reason}") from None
        if not isinstance(documents, dict) or not all(isinstance(text, str) for text in documents.values()):
            raise InvalidSettingError(
                f"TRUSTED_DOCUMENTS is {path}: must contain a JSON object from identifiers to documents"
            )
        for identifier, text in documents.items():
            if identifier != identifier_of(text):
                raise InvalidSettingError(
                    f"TRUSTED_DOCUMENTS is {path}: has identifier {identifier!r}, must be {identifier_of(text)!r}"
                )
        return cls(documents, only=only)

    def resolve(self, query: str | None, identifier: str | None) -> str | None:
        """The document of a request with this query or documentId. An empty text is the same as none.

        Raises:
            RequestRefused: the documentId is unknown, or the query is not allowed.
        """
        if not identifier:
            if self.only and query:
                message = "only trusted documents are allowed: send documentId, not query"
                raise RequestRefused(HTTPStatus.BAD_REQUEST, message, REQUIRED)
            return query
        if query:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "query and documentId are both set: send one of them")
        if identifier not in self._documents:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "unknown documentId", NOT_FOUND)
        return self._documents[identifier]


def identifier_of(text: str) -> str:
    """The identifier of a document: the SHA-256 hash of its text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
