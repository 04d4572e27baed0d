"""Words that have no good use in technical English: `python -m tests.wording` lists where they stand.

codespell finds typing errors but knows single words only; most of these are phrases. The list has only what is wrong in
every context. Words in identifiers count, since readers read those too.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

# What to write instead, by phrase.
WORDS = {
    "told": "reported, emitted, returned, sent, described",
    "tells": "reports, emits, returns, sends, describes",
    "doorkeeper": "authenticator",
    "keeper": "authenticator, store",
    "door": "endpoint",
    "doors": "endpoints",
    "entrance": "middleware, entry point",
    "whoever": "a subject that acts: client, caller, worker",
    "whomever": "a subject that acts: client, caller, worker",
    "somebody": "a subject that acts: client, caller, worker",
    "anybody": "any client, any caller",
    "everybody": "all users, all callers",
    "nobody": "no client, no caller, no worker",
    "people": "users",
    "person": "user",
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "wished": "requested",
    "politely": "gracefully",
    "so often": "every N seconds",
    "anew": "again",
    "likewise": "also, or leave it out",
    "of itself": "own, or leave it out",
    "of its own": "its own, separate",
    "of their own": "their own, separate",
    "of their own accord": "automatically",
    "sign of life": "heartbeat",
    "last words": "final output, final flush",
    "at the most": "at most",
    "so long as": "while, as long as",
    "there are none": "None, missing, unavailable",
    "is asked for": "is requested",
    "can't be had": "unavailable",
    "can be had": "available",
    "who is there": "authentication",
    "put right": "fixed",
    "be it": "even",
    "of a sudden": "at once",
    "good will": "well-behaved clients",
}
PATTERN = re.compile("|".join(rf"(?<![a-z]){phrase.replace(' ', r'[ _]')}(?![a-z])" for phrase in WORDS), re.IGNORECASE)

# Comments and docstrings that begin without their subject.
OPENING = re.compile(r'(?<!\S)(?:#|//|--|"{3}) ?(Of|Where)\b')

# Texts that others wrote, packages' names, and this list.
EXCLUDED = re.compile(
    r"\.lock$|package-lock\.json$|go\.sum$|\.png$|^LICENSE$|^tests/wording\.py$|^tests/test_wording\.py$"
)


def findings() -> list[str]:
    """Each place as file, line, phrase and what to write instead."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [path for path in listed.stdout.splitlines() if not EXCLUDED.search(path) and (ROOT / path).is_file()]
    return [found for path in paths for found in in_text(path, (ROOT / path).read_text(encoding="utf-8"))]


def in_text(path: str, text: str) -> list[str]:
    """The places in one file."""
    return [
        f"{path}:{number}: {phrase!r}: write {advice}"
        for number, line in enumerate(text.splitlines(), 1)
        for phrase, advice in _in_line(line)
    ]


def _in_line(line: str) -> Iterator[tuple[str, str]]:
    for match in PATTERN.finditer(line):
        yield match[0], WORDS[match[0].lower().replace("_", " ")]
    for match in OPENING.finditer(line):
        yield match[1], "the subject first"


def main() -> int:
    """Return 1 if there are any."""
    found = findings()
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
