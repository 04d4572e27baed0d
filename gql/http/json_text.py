"""JSON that others write, which may start with a byte order mark (RFC 8259, section 8.1)."""

from __future__ import annotations

from typing import Any

import orjson


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse with orjson, which bounds nesting and the length of numbers. Python's own parser does not.

    Raises:
        orjson.JSONDecodeError: the text is not JSON in UTF-8.
    """
    if isinstance(text, str):
        return orjson.loads(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    return orjson.loads(text.removeprefix(b"\xef\xbb\xbf"))
