"""Trusted documents: operations that clients name by an identifier, as GraphQL over HTTP's persisted documents.

The file is a JSON object from identifiers (`sha256:` and 64 hexadecimal digits) to documents, as code generators write
it. It is read when the process starts.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOT_FOUND = "PERSISTED_DOCUMENT_NOT_FOUND"
REQUIRED = "TRUSTED_DOCUMENT_REQUIRED"
CONFLICT = "BAD_REQUEST"


class PersistedDocumentError(Exception):
    """A request whose document can't be had, or must not be used."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class PersistedDocuments:
    """The documents by their identifiers."""

    def __init__(self, documents: Mapping[str, str] | None = None, *, only: bool = False) -> None:
        self._documents = dict(documents or {})
        self.only = only

    @classmethod
    def load(cls, path: Path | None, *, only: bool) -> PersistedDocuments:
        """Read the file.

        Raises:
            ValueError: it is not such an object, or an identifier is not its document's.
        """
        if path is None:
            return cls(only=only)
        documents = orjson.loads(path.read_bytes())
        if not isinstance(documents, dict) or not all(isinstance(text, str) for text in documents.values()):
            raise ValueError(f"{path} must be a JSON object from identifiers to documents")
        for identifier, text in documents.items():
            if identifier != identifier_of(text):
                raise ValueError(f"{path} has {identifier!r} for the document of {identifier_of(text)!r}")
        return cls(documents, only=only)

    def resolve(self, request: Mapping[str, object]) -> dict[str, object]:
        """The request with its document in the place of the identifier.

        Raises:
            PersistedDocumentError: there is no such document, or one was sent that may not be.
        """
        found = dict(request)
        identifier = found.pop("documentId", None)
        if identifier is None:
            if self.only and found.get("query") is not None:
                raise PersistedDocumentError("send the documentId of a trusted document in place of a query", REQUIRED)
            return found
        if found.get("query") is not None:
            raise PersistedDocumentError("send a query or a documentId, not both", CONFLICT)
        if not isinstance(identifier, str):
            raise PersistedDocumentError("documentId must be a string", CONFLICT)
        if identifier not in self._documents:
            raise PersistedDocumentError("there is no document of this documentId", NOT_FOUND)
        return found | {"query": self._documents[identifier]}


def identifier_of(text: str) -> str:
    """The identifier of a document."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
