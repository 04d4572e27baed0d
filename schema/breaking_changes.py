"""Find schema changes that break clients of the last release: `python -m schema.breaking_changes` (`make check`).

Compares schema/schema.graphql on disk with the file at the newest `v*` tag that this commit descends from.
tests/schema/test_schema.py checks that the file on disk is the schema as served.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from graphql import build_schema
from graphql.utilities import DangerousChangeType, find_breaking_changes, find_dangerous_changes

_FILE = "schema/schema.graphql"

# graphql-core calls these dangerous only. But a client that omits the argument gets an error or another result.
_CHANGED_DEFAULTS = {DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE, DangerousChangeType.INPUT_FIELD_DEFAULT_VALUE_CHANGE}

_ROOT = Path(__file__).parents[1]


class NothingToCompareError(Exception):
    """No released schema was found. The message has the reason."""


def main(root: Path = _ROOT) -> int:
    """Print one line for each breaking change. Returns 1 if there are any, 0 if not or without a release."""
    try:
        tag, released = last_release(root)
    except NothingToCompareError as reason:
        _print(f"No schema to compare with: {reason}")
        return 0
    changes = breaking_changes(released, (root / _FILE).read_text(encoding="utf-8"))
    if not changes:
        _print(f"No breaking schema change since {tag}")
        return 0
    for change in changes:
        _print(f"{_FILE} breaks clients of {tag}: {change}")
    _print("Revert these changes. Mark a field or value @deprecated before removing it.")
    return 1


def last_release(root: Path) -> tuple[str, str]:
    """The newest release before the current commit: its tag and its schema.

    Raises:
        NothingToCompareError: no tag, no schema at the tag, or no git.
    """
    # With this suffix, v1.0.0-rc1 sorts before v1.0.0.
    newest_first = ("-c", "versionsort.suffix=-", "tag", "--merged", "HEAD", "--list", "v*", "--sort=-version:refname")
    tags = _git(root, *newest_first).split()
    if not tags:
        raise NothingToCompareError("no release tag (v*) before this commit")
    return tags[0], _git(root, "show", f"{tags[0]}:{_FILE}")


def breaking_changes(released: str, current: str) -> list[str]:
    """Breaking changes between a released schema and the current one, one sentence each."""
    old, new = build_schema(released), build_schema(current)
    found = [change.description for change in find_breaking_changes(old, new)]
    found += [change.description for change in find_dangerous_changes(old, new) if change.type in _CHANGED_DEFAULTS]
    return sorted(found)


def _git(root: Path, *arguments: str) -> str:
    command = ("git", *arguments)
    try:
        return subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=True).stdout  # noqa: S603 - arguments from this module only
    except FileNotFoundError as error:
        raise NothingToCompareError("git is not installed") from error
    except subprocess.CalledProcessError as error:
        raise NothingToCompareError(error.stderr.strip().partition("\n")[0]) from error


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
