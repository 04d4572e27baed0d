"""Lines out of whatever bytes a program writes."""

from __future__ import annotations

import codecs
from typing import Final

# A longer line is shown in pieces: no program may fill this one's memory by never ending its line.
LONGEST_LINE: Final = 16_384


class LineSplitter:
    """Takes bytes as they come, gives whole lines without their ends. What is not UTF-8 is shown as U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        """The lines that these bytes complete."""
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        pieces = [piece for line in lines for piece in _pieces(line.removesuffix("\r"))]
        while len(self._rest) > LONGEST_LINE:
            pieces.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        return pieces

    def end(self) -> list[str]:
        """What is left when no more bytes come."""
        rest, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        return _pieces(rest.removesuffix("\r")) if rest else []


def _pieces(line: str) -> list[str]:
    return [line[start : start + LONGEST_LINE] for start in range(0, len(line), LONGEST_LINE)] or [""]
