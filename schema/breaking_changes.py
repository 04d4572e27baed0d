"""Find what would break clients since the last release: `python -m schema.breaking_changes`, part of `make check`.

Compares schema/schema.graphql as it is on disk with the one at the newest `v*` tag that this commit descends from. That
the file on disk is the schema that is served is for tests/schema/test_schema.py to see.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from graphql import build_schema
from graphql.utilities import DangerousChangeType, find_breaking_changes, find_dangerous_changes

_FILE = "schema/schema.graphql"

# To graphql-core no more than dangerous. But who leaves the argument out is refused then, or gets something else.
_DEFAULTS = {DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE, DangerousChangeType.INPUT_FIELD_DEFAULT_VALUE_CHANGE}

_ROOT = Path(__file__).parents[1]


class NothingToCompareError(Exception):
    """There is no released schema here; the message says why."""


def main(root: Path = _ROOT) -> int:
    """Say what breaks, one line each; 0 when nothing does, or when there is nothing to compare with."""
    try:
        tag, released = last_release(root)
    except NothingToCompareError as reason:
        _say(f"No schema to compare with: {reason}")
        return 0
    changes = breaking_changes(released, (root / _FILE).read_text(encoding="utf-8"))
    if not changes:
        _say(f"No schema change since {tag} breaks a client")
        return 0
    for change in changes:
        _say(f"{_FILE} breaks clients of {tag}: {change}")
    _say("Put these back as they were; what should go one day is marked @deprecated first")
    return 1


def last_release(root: Path) -> tuple[str, str]:
    """The newest release before the present commit: its tag and its schema.

    Raises:
        NothingToCompareError: no tag, no schema in it, or no git.
    """
    # With the suffix, v1.0.0-rc1 comes before v1.0.0.
    newest_first = ("-c", "versionsort.suffix=-", "tag", "--merged", "HEAD", "--list", "v*", "--sort=-version:refname")
    tags = _git(root, *newest_first).split()
    if not tags:
        raise NothingToCompareError("no release tag (v*) before this commit")
    return tags[0], _git(root, "show", f"{tags[0]}:{_FILE}")


def breaking_changes(released: str, present: str) -> list[str]:
    """What a client of the released schema can no longer do with the present one, a sentence each."""
    old, new = build_schema(released), build_schema(present)
    found = [change.description for change in find_breaking_changes(old, new)]
    found += [change.description for change in find_dangerous_changes(old, new) if change.type in _DEFAULTS]
    return sorted(found)


def _git(root: Path, *arguments: str) -> str:
    command = ("git", *arguments)
    try:
        return subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=True).stdout  # noqa: S603 - our words only
    except FileNotFoundError as error:
        raise NothingToCompareError("git is not on this machine") from error
    except subprocess.CalledProcessError as error:
        raise NothingToCompareError(error.stderr.strip().partition("\n")[0]) from error


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
