"""What a client accepts: the Accept header, as far as the GraphQL endpoint must understand it."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

LEGACY_JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One of the things accepted: `type/subtype` in lower case, its parameters, and how much it is wanted (0 to 1)."""

    name: str
    parameters: dict[str, str]
    quality: float


def media_ranges(header: str) -> list[MediaRange]:
    """The header's parts in their order; what can't be understood is left out."""
    return [part for text in _split(header) if (part := _parse(text)) is not None]


def quality(header: str, name: str) -> float:
    """How much a media type is wanted by its own name, not by a wildcard; 0 when it isn't."""
    return max((part.quality for part in media_ranges(header) if part.name == name), default=0)


def prefers_stream(header: str, stream: str) -> bool:
    """Whether a stream is wanted more than a single JSON answer."""
    single = max(quality(header, GRAPHQL_JSON), quality(header, LEGACY_JSON))
    return quality(header, stream) > single


def json_type(header: str) -> str:
    """The media type of a single answer: the specification's where it is wanted at least as much as the legacy one."""
    wanted = quality(header, GRAPHQL_JSON)
    return GRAPHQL_JSON if wanted and wanted >= quality(header, LEGACY_JSON) else LEGACY_JSON


def _split(header: str) -> list[str]:
    """Split at commas that are outside quotes."""
    parts, quoted = [""], False
    for character in header:
        quoted ^= character == '"'
        if character == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def _parse(text: str) -> MediaRange | None:
    message = Message()
    message["content-type"] = text.strip()
    (name, _), *parameters = message.get_params() or [("", "")]
    found = {key.lower(): value for key, value in parameters}
    try:
        wanted = float(found.pop("q", "1"))
    except ValueError:
        return None
    return MediaRange(name.lower(), found, min(max(wanted, 0), 1)) if "/" in name else None
