"""Rows of the page: a figure of this system, its floor, the naive system's figure, and the target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

# Requests per second of the empty Starlette endpoint and of the bare ASGI application, on the machine for which bounds
# of time were set.
REFERENCE_STARLETTE = 24_371
REFERENCE_ASGI = 36_204


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on a figure, or on its ratio to the floor or to the naive system."""

    figure: float
    bound: float
    # What the figure is, e.g. "of floor"; empty for the row's value.
    of: str = ""
    is_minimum: bool = True
    # How many times as long this machine takes as the one for which a bound of time was set.
    slowness: float | None = None

    @property
    def is_met(self) -> bool:
        bound = self.bound * (self.slowness or 1)
        return self.figure >= bound if self.is_minimum else self.figure <= bound

    def __str__(self) -> str:
        scale = "" if self.slowness is None else f" x {self.slowness:.1f}"
        return f"{'>=' if self.is_minimum else '<='} {self.bound:g} {self.of}".rstrip() + scale


@dataclass(frozen=True, slots=True)
class Row:
    """One line. Figures are medians of the turns, and `of_floor` and `of_naive` medians of their ratios."""

    name: str
    unit: str
    value: float
    floor: float | None = None
    of_floor: float | None = None
    naive: float | None = None
    of_naive: float | None = None
    target: Target | None = None
    # The largest part of one core that the load generator used in a turn.
    generator: float | None = None
    # Cores that other processes used, and whether this was too much.
    noise: float = 0
    is_refused: bool = False

    def with_target(self, target: Target) -> Row:
        return replace(self, target=target)

    def without_naive(self) -> Row:
        return replace(self, naive=None, of_naive=None)

    @property
    def verdict(self) -> str:
        judged = "" if self.target is None else "met" if self.target.is_met else "MISSED"
        if self.is_refused:
            return f"refused ({judged})" if judged else "refused"
        return judged


def alternate(turns: int, cells: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Measure the cells in turns, in changing order, so that other load affects all. The first turn warms up."""
    found: dict[str, list[T]] = {name: [] for name in cells}
    for turn in range(turns + 1):
        for name in list(cells) if turn % 2 else reversed(list(cells)):
            result = cells[name]()
            if turn:
                found[name].append(result)
    return found
