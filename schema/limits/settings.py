"""How large an operation may be, how much it may request and how long it may run.

Everything but the time is checked before execution: the document by the parser (tokens) and by document_size, the
variables by variables, the response by cost, and page sizes by the fields that have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import GraphQLError
from pydantic import BaseModel, ConfigDict, Field

from schema.error_codes import LIMIT_EXCEEDED

if TYPE_CHECKING:
    from graphql import Node

# Elements in a page without first or last.
DEFAULT_PAGE_SIZE = 100

# Longer than names and values usually are. It bounds the strings and the white space that tokens do not.
_CHARACTERS_PER_TOKEN = 16


# The largest limit: clients receive limits as GraphQL integers of 32 bits.
_UNLIMITED = 10**9


class OperationLimits(BaseModel):
    """The limits of one operation. The defaults are far above documents written by hand, and above introspection.

    gql.settings reads each field from the environment variable of the same name.
    """

    model_config = ConfigDict(frozen=True)

    max_page_size: int = Field(1_000, ge=1, le=10_000, description="Maximum items on one page of a connection")
    max_wait_ms: int = Field(
        30_000, ge=0, le=300_000, description="Milliseconds. Maximum for `waitMs`, and for `Prefer: wait`"
    )
    execution_seconds: float = Field(
        10, gt=0, le=600, description="Seconds until a query or mutation fails with TIMEOUT, on top of MAX_WAIT_MS"
    )
    max_tokens: int = Field(
        1_000, ge=10, le=_UNLIMITED, description="Maximum tokens in a GraphQL document, and 16 times as many characters"
    )
    max_operations: int = Field(10, ge=1, le=_UNLIMITED, description="Maximum operations in a document")
    max_depth: int = Field(
        25, ge=1, le=100, description="Maximum nesting of fields and fragments in a document, fragments expanded"
    )
    max_selections: int = Field(
        250,
        ge=1,
        le=_UNLIMITED,
        description="Maximum fields and fragments in a document, fragments expanded. "
        "Each pair of fields to merge counts as one more",
    )
    max_cost: int = Field(
        25_000,
        ge=100,
        le=_UNLIMITED,
        description="Maximum values in a response, estimated from page sizes. "
        "A field that reads the job store counts as 10, a mutation as 1000",
    )
    max_list_items: int = Field(10_000, ge=1, le=_UNLIMITED, description="Maximum items in a list in variables")

    @property
    def max_document_length(self) -> int:
        """Maximum number of characters in a document."""
        return _CHARACTERS_PER_TOKEN * self.max_tokens

    @property
    def execution_timeout(self) -> float:
        """Seconds that a query or mutation may run."""
        return self.max_wait_ms / 1_000 + self.execution_seconds


class LimitExceededError(GraphQLError):
    """A document, its variables or its response is larger than allowed.

    `found` is text: it says "at least" where counting stopped at the limit.
    """

    def __init__(self, limit: str, found: str, maximum: int, node: Node | None = None) -> None:
        super().__init__(
            f"{limit}: {found}, must be at most {maximum}",
            node,
            extensions={"code": LIMIT_EXCEEDED, "limit": limit, "max": maximum},
        )
