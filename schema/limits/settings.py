"""How much one operation may be and may ask for, and the refusal of what goes beyond.

All of it is checked before anything is executed. Counted by: schema.limits.document_size (the document),
schema.limits.variables (the variables), schema.limits.cost (the answer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from graphql import GraphQLError

if TYPE_CHECKING:
    from graphql import Node

LIMIT_EXCEEDED: Final = "LIMIT_EXCEEDED"
TIMEOUT: Final = "TIMEOUT"
INVALID_SYNTAX: Final = "GRAPHQL_PARSE_FAILED"
INVALID_DOCUMENT: Final = "GRAPHQL_VALIDATION_FAILED"
INVALID_VARIABLES: Final = "BAD_USER_INPUT"

# Characters of an error that names what was sent.
LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """How much one operation may be. The defaults are far above what is written by hand, and above introspection."""

    max_document_length: int = 16_384
    max_tokens: int = 1_000
    max_depth: int = 25
    max_selections: int = 300
    max_repeats: int = 30
    max_root_fields: int = 20
    max_aliases: int = 30
    max_directives: int = 30
    max_operations: int = 10
    max_cost: int = 25_000
    max_list_items: int = 10_000
    max_input_depth: int = 10
    max_input_values: int = 20_000
    max_page_size: int = 1_000
    execution_seconds: float = 40


class LimitExceeded(GraphQLError):
    """An operation is, or asks for, more than is allowed. Where counting stopped early, `counted` says `at least`."""

    def __init__(self, limit: str, counted: str, most: float, node: Node | None = None) -> None:
        super().__init__(
            f"{limit}: {counted}, must be {most} at most",
            node,
            extensions={"code": LIMIT_EXCEEDED, "limit": limit, "max": most},
        )


def exceeded(limit: str, most: int, counted: int, node: Node | None = None) -> LimitExceeded:
    """The refusal of a number of things, of which there may be more: counting ends where a limit is passed."""
    return LimitExceeded(limit, f"at least {counted}", most, node)
