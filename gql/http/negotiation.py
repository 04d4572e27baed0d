"""Content negotiation (RFC 9110, section 12): Accept and Accept-Encoding, read by one parser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEGACY_JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"


@dataclass(frozen=True, slots=True)
class HeaderElement:
    """One element of a list header.

    Args:
        name: a media range or a content coding, in lower case.
        parameters: without q. Names are in lower case, values without quotes.
        quality: the weight, 0 (not acceptable) to 1.
    """

    name: str
    parameters: dict[str, str]
    quality: float


def header_elements(header: str) -> list[HeaderElement]:
    """The elements of a header in their order. Malformed ones are skipped."""
    return [element for text in _split(header, ",") if (element := _parse_element(text)) is not None]


def quality(header: str, media_type: str) -> float:
    """The quality of a media type that Accept names explicitly. Wildcards do not count: 0 without a match."""
    return max((element.quality for element in header_elements(header) if element.name == media_type), default=0)


def prefers_stream(accept: str, media_type: str) -> bool:
    """Whether Accept prefers a stream of this media type to a single JSON response."""
    single = max(quality(accept, GRAPHQL_JSON), quality(accept, LEGACY_JSON))
    return quality(accept, media_type) > single


def json_type(accept: str) -> str:
    """The media type of a single JSON response: the specification's if Accept prefers it or weighs both the same."""
    preferred = quality(accept, GRAPHQL_JSON)
    return GRAPHQL_JSON if preferred and preferred >= quality(accept, LEGACY_JSON) else LEGACY_JSON


def preferred_encoding(accept_encoding: str, supported: Sequence[str]) -> str | None:
    """The supported content coding with the highest quality, or None if `identity` is preferred or nothing matches.

    Args:
        accept_encoding: the header's value.
        supported: in order of preference, for codings of the same quality.
    """
    qualities = {element.name: element.quality for element in header_elements(accept_encoding)}
    wildcard = qualities.get("*", 0)
    best = max(supported, key=lambda coding: qualities.get(coding, wildcard))
    weight = qualities.get(best, wildcard)
    return best if weight > 0 and weight >= qualities.get("identity", 0) else None


def _parse_element(text: str) -> HeaderElement | None:
    name, *parameters = (part.strip() for part in _split(text, ";"))
    found = {}
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        found[key.strip().lower()] = value.strip().strip('"')
    try:
        weight = float(found.pop("q", "1"))
    except ValueError:
        return None
    return HeaderElement(name.lower(), found, min(max(weight, 0), 1)) if name else None


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside double quotes."""
    parts, is_quoted = [""], False
    for character in text:
        is_quoted ^= character == '"'
        if character == separator and not is_quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts
