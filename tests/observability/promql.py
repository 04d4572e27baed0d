"""As much of the query language as reading our queries takes; whether they parse is promtool's to say."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(r"""("[^"]*"|\{[^}]*\}|\[[^\]]*\]|[a-zA-Z_:][\w:]*|[^\s\w])""")
_MATCHER = re.compile(r"""(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)\"""")
_LABEL_LIST = re.compile(r"\b(by|without|on|ignoring)\s*\(([^)]*)\)")
_OPERATORS = {"or", "and", "unless", "bool"}


class Selector(NamedTuple):
    """A metric as it is used: inside which functions (innermost first), with which labels, over which range."""

    name: str
    functions: tuple[str, ...]
    labels: dict[str, str]
    range: str


def selectors(expression: str) -> list[Selector]:
    """Every use of a metric, in the order in which they stand."""
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
    """The labels that results keep."""
    lists = [labels for word, labels in _LABEL_LIST.findall(expression) if word == "by"]
    return {label.strip() for labels in lists for label in labels.split(",")}


def _is_name(part: str) -> bool:
    return re.match(r"[a-zA-Z_:]", part) is not None and part not in _OPERATORS
