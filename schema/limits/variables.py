"""The size of the lists in an operation's variables.

Their nesting and their number need no limit here: graphql-core coerces at most 200 levels, and the size of the request
body bounds the values.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from schema.limits.settings import LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schema.limits.settings import OperationLimits


def check_variables(variables: Mapping[str, object] | None, limits: OperationLimits) -> None:
    """Check the length of every list, at any depth.

    Raises:
        LimitExceededError: a list is too long.
    """
    level = list((variables or {}).values())
    # Level by level, since recursion would end where the interpreter's stack does.
    while level := [value for value in level if isinstance(value, dict | list) and value]:
        for value in level:
            if isinstance(value, list) and len(value) > limits.max_list_items:
                raise LimitExceededError("list items", str(len(value)), limits.max_list_items)
        level = list(chain.from_iterable(map(_values, level)))


def _values(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
