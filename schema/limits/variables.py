"""How large the variables of an operation are: their nesting, their lists, and all their values together."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from schema.limits.settings import exceeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schema.limits.settings import OperationLimits


def check_variables(variables: Mapping[str, object] | None, limits: OperationLimits) -> None:
    """Let variables pass that are within their limits; stops counting where one is exceeded.

    Raises:
        LimitExceeded: they are not.
    """
    if not variables:
        return
    level: list[object] = list(variables.values())
    counted, depth = len(level), 0
    while True:
        if counted > limits.max_input_values:
            raise exceeded("input values", limits.max_input_values, counted)
        level = [value for value in level if isinstance(value, dict | list) and value]
        if not level:
            return
        depth += 1
        if depth > limits.max_input_depth:
            raise exceeded("input depth", limits.max_input_depth, depth)
        for value in level:
            if isinstance(value, list) and len(value) > limits.max_list_items:
                raise exceeded("list items", limits.max_list_items, len(value))
        counted += sum(map(len, level))  # type: ignore[arg-type]
        if counted <= limits.max_input_values:
            level = list(chain.from_iterable(map(_parts, level)))


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
