"""Breaking changes since the last release are found, in a temporary repository."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from schema import breaking_changes

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = """
type Query { job(id: ID!): Job, node(id: ID!): Job, submit(input: Submission!, waitMs: Int! = 0): Outcome! }
type Job { status: Status!, position: Int }
type Refused { message: String! }
input Submission { count: Int!, start: Int! = 2 }
union Outcome = Job | Refused
enum Status { QUEUED DONE }
"""
RELEASED_FIELD = ", position: Int"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of the schema, and no tag."""
    (tmp_path / "schema").mkdir()
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, SCHEMA)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    config = ("-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", "-c", "core.hooksPath=/dev/null")
    subprocess.run(("git", *author, *config, *arguments), cwd=folder, check=True, capture_output=True)


def write(folder: Path, schema: str) -> None:
    (folder / "schema/schema.graphql").write_text(schema, encoding="utf-8")


def commit(folder: Path, schema: str) -> None:
    write(folder, schema)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Change the schema")


def test_passes_without_a_release(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, "type Query { x: Int }")
    assert breaking_changes.main(repository) == 0
    assert "no release tag" in capsys.readouterr().out


def test_passes_without_git_and_reports_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert breaking_changes.main(tmp_path) == 0
    assert "No schema to compare with: " in capsys.readouterr().out


def test_removed_field_fails_and_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repository, "tag", "v1.0.0")
    write(repository, SCHEMA.replace(RELEASED_FIELD, "", 1))
    assert breaking_changes.main(repository) == 1
    output = capsys.readouterr().out
    assert "breaks clients of v1.0.0: Field Job.position was removed." in output


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("job(id: ID!): Job, ", "", "Field Query.job was removed."),
        ("position: Int", "position: String", "Field Job.position changed type from Int to String."),
        ("QUEUED DONE", "DONE", "Enum value Status.QUEUED was removed."),
        ("{ count: Int!,", "{ count: Int!, n: Int!,", "A required field Submission.n was added."),
        ("= Job | Refused", "= Job", "Refused was removed from union type Outcome."),
        ("job(id: ID!)", "job(id: ID!, of: ID!)", "A required argument Query.job(of:) was added."),
        ("waitMs: Int! = 0", "waitMs: Int!", "Query.submit(waitMs:) defaultValue was removed."),
        ("waitMs: Int! = 0", "waitMs: Int! = 5", "Query.submit(waitMs:) has changed defaultValue from 0 to 5."),
        ("start: Int! = 2", "start: Int! = 3", "Submission.start has changed defaultValue from 2 to 3."),
    ],
)
def test_each_kind_of_breaking_change_is_found(old: str, new: str, sentence: str) -> None:
    assert old in SCHEMA
    assert breaking_changes.breaking_changes(SCHEMA, SCHEMA.replace(old, new, 1)) == [sentence]


def test_additions_are_not_breaking(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repository, "tag", "v1.0.0")
    write(repository, SCHEMA.replace(RELEASED_FIELD, f"{RELEASED_FIELD}, extra(size: Int): Int", 1))
    assert breaking_changes.main(repository) == 0
    assert "No breaking schema change since v1.0.0" in capsys.readouterr().out


def test_newest_release_is_compared_and_not_its_candidates(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for tag in ("v1.9.0", "v1.10.0-rc1", "unrelated"):
        git(repository, "tag", tag)
    commit(repository, SCHEMA.replace(RELEASED_FIELD, "", 1))
    git(repository, "tag", "v1.10.0")
    assert breaking_changes.main(repository) == 0
    assert "since v1.10.0" in capsys.readouterr().out


def test_release_without_a_schema_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "Begin")
    git(tmp_path, "tag", "v0.0.1")
    (tmp_path / "schema").mkdir()
    write(tmp_path, SCHEMA)
    assert breaking_changes.main(tmp_path) == 0
    assert "No schema to compare with" in capsys.readouterr().out
