"""The page: as a table on the terminal, as JSON, and as Markdown between the markers of a documentation page."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from tests.bench.table import aligned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.bench.performance.rows import Row

HEADS = ("", "measured", "floor", "of floor", "naive", "of naive", "target", "", "others", "generator")

# The name, the target and whether it is met.
_LEFT = (0, 6, 7)

_BEGIN = "<!-- begin: written by make bench -->"
_END = "<!-- end: written by make bench -->"


def cells(row: Row) -> tuple[str, ...]:
    """The texts of one line."""
    return (
        row.name,
        f"{_number(row.value)} {row.unit}".replace(" /s", "/s"),
        _number(row.floor),
        _ratio(row.of_floor),
        _number(row.naive),
        _ratio(row.of_naive),
        str(row.target or ""),
        row.verdict,
        f"{row.noise:.2f}",
        "" if row.generator is None else f"{row.generator:.2f}",
    )


def table(rows: Sequence[Row]) -> str:
    """The page for a terminal."""
    return aligned([HEADS, *map(cells, rows)], _LEFT)


def markdown(rows: Sequence[Row], environment: Mapping[str, object]) -> str:
    """A Markdown table, and the conditions under which it was measured."""
    lines = [HEADS, ("---",) * len(HEADS), *(tuple(text.strip() for text in cells(row)) for row in rows)]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    conditions = "\n".join(f"- {name}: {value}" for name, value in environment.items())
    return f"{body}\n\n{conditions}"


def write_markdown(page: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    before = page.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    after, count = pattern.subn(lambda _: f"{_BEGIN}\n\n{text}\n\n{_END}", before)
    if count != 1:
        raise ValueError(f"{page} has {count} pairs of markers, must have one: {_BEGIN} ... {_END}")
    page.write_text(after, encoding="utf-8")


def write_json(path: Path, rows: Sequence[Row], environment: Mapping[str, object]) -> None:
    found = [asdict(row) | {"verdict": row.verdict} for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"environment": environment, "rows": found}, indent=2) + "\n", encoding="utf-8")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"
