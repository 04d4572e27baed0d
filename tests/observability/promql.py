"""A parser for the part of PromQL that our queries use. promtool checks that they are valid."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(r"""("[^"]*"|\{[^}]*\}|\[[^\]]*\]|[a-zA-Z_:][\w:]*|[^\s\w])""")
_MATCHER = re.compile(r"""(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)\"""")
_LABEL_LIST = re.compile(r"\b(by|without|on|ignoring)\s*\(([^)]*)\)")
_OPERATORS = {"or", "and", "unless", "bool"}


class Selector(NamedTuple):
    """One use of a metric: enclosing functions (innermost first), label matchers, range."""

    name: str
    functions: tuple[str, ...]
    labels: dict[str, str]
    range: str


def selectors(expression: str) -> list[Selector]:
    """All uses of metrics in an expression, in order."""
    parts = [*_TOKEN.findall(_LABEL_LIST.sub("", expression)), "", "", ""]
    found: list[Selector] = []
    functions: list[str] = []
    for i, part in enumerate(parts):
        if part == "(":
            functions.append(parts[i - 1] if i and _is_name(parts[i - 1]) else "")
        elif part == ")":
            functions.pop()
        elif _is_name(part) and parts[i + 1] != "(":
            suffixes = parts[i + 1 : i + 3]
            labels = dict(_MATCHER.findall(suffixes[0])) if suffixes[0].startswith("{") else {}
            window = next((suffix for suffix in suffixes if suffix.startswith("[")), "")
            called = tuple(name for name in reversed(functions) if name)
            found.append(Selector(part, called, labels, window.strip("[]")))
    return found


def grouped_by(expression: str) -> set[str]:
    """The labels in `by` clauses."""
    lists = [labels for word, labels in _LABEL_LIST.findall(expression) if word == "by"]
    return {label.strip() for labels in lists for label in labels.split(",")}


def _is_name(part: str) -> bool:
    return re.match(r"[a-zA-Z_:]", part) is not None and part not in _OPERATORS
