"""The cache of parsed documents: clients send few, over and over, and parsing is most of what a small query costs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from graphql import GraphQLError
from strawberry.extensions import ParserCache

if TYPE_CHECKING:
    from collections.abc import Iterator


class CachedParser(ParserCache):
    """Strawberry's cache, which leaves a document with a syntax error to the parser behind it.

    Raised from here, the error would be a fault of the stream that a subscription is, and not an answer to it.
    """

    def on_parse(self) -> Iterator[None]:
        """Put the parsed document into the context, where there is one."""
        context = self.execution_context
        with suppress(GraphQLError):
            context.graphql_document = self.cached_parse_document(context.query, **context.parse_options)
        yield
