"""Header fields as RFC 9110, section 5, defines them: several lines, lists, quoted strings and parameters.

Everything that reads a request header reads it through here, or compares its whole value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from starlette.datastructures import Headers

# Text between separators. A separator in a quoted string does not separate. An unterminated string ends with the field.
_QUOTED = r'"(?:[^"\\]|\\.)*"?'
_MEMBER = re.compile(rf'(?:[^",]+|{_QUOTED})+', re.DOTALL)
_PARAMETER = re.compile(rf'(?:[^";]+|{_QUOTED})+', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Element(NamedTuple):
    """One element of a list with parameters.

    Args:
        name: in lower case.
        value: of `name=value`, without quotes; empty if there is none.
        parameters: names in lower case, values without quotes. The first of several with one name counts.
    """

    name: str
    value: str
    parameters: dict[str, str]


def combined(headers: Headers, name: str) -> str | None:
    """The value of a field, None if it is missing. Several lines are one list.

    A field that is no list, and has several lines, has no valid value then.
    """
    values = headers.getlist(name)
    return ", ".join(values) if values else None


def members(value: str | None) -> list[str]:
    """The members of a list, without empty ones."""
    return [member for text in _MEMBER.findall(value or "") if (member := text.strip())]


def tokens(headers: Headers, name: str) -> list[str]:
    """The members of a list of names that have no case, in lower case."""
    return [member.lower() for member in members(combined(headers, name))]


def elements(value: str | None) -> list[Element]:
    """The elements of a list with parameters, in their order."""
    return [_element(member) for member in members(value)]


def _element(member: str) -> Element:
    # The name may be missing.
    first, *rest = ([""] if member.startswith(";") else []) + _PARAMETER.findall(member)
    parameters: dict[str, str] = {}
    for name, value in map(_pair, rest):
        if name:
            parameters.setdefault(name, value)
    return Element(*_pair(first), parameters)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    value = value.strip()
    if value.startswith('"'):
        value = _ESCAPE.sub(r"\1", value[1:].removesuffix('"'))
    return name.strip().lower(), value
