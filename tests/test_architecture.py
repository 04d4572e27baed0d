"""Rules of the repository's layout that no linter checks. import-linter checks the imports between packages."""

from __future__ import annotations

import re
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import grimp
import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("gql", "schema", "tasks", "observability", "loadtest", "tests")
LOCKS = sorted(ROOT.glob("requirements*.lock"))
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)

# Options of pip except hashes, such as the address of an index.
OPTIONS = re.compile(r"^-.*|\s--(?!hash=)\S*", re.MULTILINE)

# Tests of several modules together, and of files that are not modules.
WITHOUT_A_MODULE = {
    "tests/gql/test_outage.py",  # every endpoint, while the job store is down or frozen
    "tests/observability/test_documented_metrics.py",  # the table of metrics, for all modules that record any
}


def ours(pattern: str) -> list[Path]:
    """Files of the project, without those that are installed or built into its folders."""
    found = [path for package in PACKAGES for path in (ROOT / package).rglob(pattern)]
    return sorted(path for path in found if not {"node_modules", "dist"} & set(path.parts))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# The project is an application: it runs from the root of the repository and is never installed


def test_the_project_is_not_a_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "build-system" not in project
    assert project["tool"]["uv"]["package"] is False


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_no_dependency_has_the_name_of_a_project_package(lock: Path) -> None:
    """`gql` and `schema` exist on the package index too; if they were installed, the import order would decide."""
    pinned = {found.lower() for found in PINNED.findall(lock.read_text(encoding="utf-8"))}
    assert pinned
    assert pinned.isdisjoint(PACKAGES)


def test_no_installed_distribution_provides_a_project_package() -> None:
    assert packages_distributions().keys().isdisjoint(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_package_exists_in_the_repository(package: str) -> None:
    assert (ROOT / package / "__init__.py").is_file()


# Lock files are independent of the package index


@pytest.mark.parametrize("lock", [*LOCKS, *ours("requirements*.lock")], ids=name)
def test_python_lock_has_hashes_and_no_index_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert OPTIONS.findall(text) == []
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if PINNED.match(entry)]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(
    "lock",
    [path for path in [*ours("package-lock.json"), *(ROOT / "examples").glob("*/package-lock.json")] if path.is_file()],
    ids=name,
)
def test_node_lock_has_no_registry_address(lock: Path) -> None:
    assert re.findall(r'"resolved": "[^"]*"', lock.read_text(encoding="utf-8")) == []


def test_development_lock_contains_the_runtime_lock() -> None:
    """`make test` installs the development lock only."""
    run, development = (
        set(re.findall(r"^\S+==\S+", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    )
    assert run <= development


# import-linter checks the imports between packages, not cycles of modules


def test_there_are_no_import_cycles() -> None:
    graph = grimp.build_graph("gql", "schema", "tasks", "observability", "loadtest", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()


# Tests mirror the tree


def test_test_folders_are_packages() -> None:
    """Without tests/__init__.py, tests/gql would be imported as `gql`."""
    folders = {folder for path in ours("test_*.py") for folder in path.parents if folder.is_relative_to(ROOT / "tests")}
    assert folders
    assert [name(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize(
    "test",
    [
        path
        for path in ours("test_*.py")
        if path.parent != ROOT / "tests"
        # Tests of whole systems, real and simulated.
        and not any(path.is_relative_to(ROOT / "tests" / folder) for folder in ("e2e", "simulation"))
    ],
    ids=name,
)
def test_test_file_mirrors_the_module_it_tests(test: Path) -> None:
    """tests/tasks/api/test_feed.py tests tasks/api/feed.py, as does tests/tasks/api/test_feed_outages.py.

    The Lua scripts are tested together, because each reads what another has written.
    """
    folder = ROOT / test.parent.relative_to(ROOT / "tests")
    assert folder.is_dir()
    if name(test) in WITHOUT_A_MODULE or folder == ROOT / "tasks/storage/lua":
        return
    words = test.stem.removeprefix("test_").split("_")
    subjects = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    assert [subject for subject in subjects if list(folder.glob(f"{subject}.*")) or (folder / subject).is_dir()]


def test_files_excepted_from_the_mirror_exist() -> None:
    assert [path for path in WITHOUT_A_MODULE if not (ROOT / path).is_file()] == []
