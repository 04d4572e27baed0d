"""Content negotiation (RFC 9110, section 12): Accept and Accept-Encoding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gql.http import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

LEGACY_JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"
HTML = "text/html"

# Any number of digits, and none before the point: Java sends `*; q=.2`.
_QUALITY = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")

# Names that RFC 9110, section 8.4.1, has kept for old clients.
_ENCODING_ALIASES = {"x-gzip": "gzip"}


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
    return [element for field in fields.elements(header) if (element := _weighted(field)) is not None]


def quality(header: str, media_type: str) -> float:
    """The quality of a media type that Accept names explicitly. Wildcards do not count: 0 without a match."""
    return max((element.quality for element in header_elements(header) if element.name == media_type), default=0)


def effective_quality(header: str, media_type: str) -> float:
    """The quality of a media type by its most specific range in Accept: itself, or else its wildcard, or else any."""
    elements = header_elements(header)
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if qualities := [element.quality for element in elements if element.name == media_range]:
            return max(qualities)
    return 0


def accepts(header: str, media_type: str) -> bool:
    """Whether Accept has a media range for the type."""
    return effective_quality(header, media_type) > 0


def single_quality(accept: str) -> float:
    """The quality of a single JSON response, in any of its media types."""
    return max(effective_quality(accept, GRAPHQL_JSON), effective_quality(accept, LEGACY_JSON))


def json_type(accept: str) -> str:
    """The media type of a single JSON response: if Accept weighs both the same, the one it names."""
    strict, legacy = effective_quality(accept, GRAPHQL_JSON), effective_quality(accept, LEGACY_JSON)
    is_strict = strict > legacy or (strict == legacy and quality(accept, GRAPHQL_JSON) > 0)
    return GRAPHQL_JSON if is_strict else LEGACY_JSON


def preferred_encoding(accept_encoding: str, supported: Sequence[str]) -> str | None:
    """The supported content coding with the highest quality, or None if `identity` is preferred or nothing matches.

    Args:
        accept_encoding: the header's value.
        supported: in order of preference, for codings of the same quality.
    """
    qualities: dict[str, float] = {}
    for element in header_elements(accept_encoding):
        name = _ENCODING_ALIASES.get(element.name, element.name)
        qualities[name] = max(element.quality, qualities.get(name, 0))
    wildcard = qualities.get("*", 0)
    best = max(supported, key=lambda coding: qualities.get(coding, wildcard))
    weight = qualities.get(best, wildcard)
    return best if weight > 0 and weight >= qualities.get("identity", 0) else None


def _weighted(field: fields.Element) -> HeaderElement | None:
    parameters = dict(field.parameters)
    weight = parameters.pop("q", "1")
    if field.value or not field.name or not _QUALITY.fullmatch(weight):
        return None
    return HeaderElement(field.name, parameters, min(float(weight), 1))
