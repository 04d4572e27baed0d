"""docs/configuration.md: the page about settings, generated from the settings classes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from gql import configuration
from tests.programs import ROOT

if TYPE_CHECKING:
    from gql.configuration import Section


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each row, by the name of the variable."""
    return {name: cells.split(" | ") for name, cells in re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)}


def section_of(name: str) -> str:
    return configuration.page().partition(f"## {name}\n")[2].partition("\n## ")[0]


def test_page_is_up_to_date() -> None:
    committed = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert committed == configuration.page(), "write it with `make configuration`"


@pytest.mark.parametrize("section", configuration.SECTIONS, ids=lambda section: section.title)
def test_each_section_lists_every_setting_with_a_meaning(section: Section) -> None:
    found = rows(section_of(section.title))
    assert list(found) == [name.upper() for name in section.settings.model_fields]
    assert all(values and meaning for _, values, meaning in found.values())


@pytest.mark.parametrize(
    ("section", "name", "default", "values"),
    [
        ("API and workers", "MAX_COUNT", "`100000000`", "1 to 2000000000"),
        ("API and workers", "LEASE_SECONDS", "`5`", "0.2 to 600"),
        ("API and workers", "REDIS_PASSWORD_FILE", "", "path"),
        ("API", "PRODUCTION", "`false`", "true or false"),
        ("API", "EXECUTION_SECONDS", "`10`", "more than 0, at most 600"),
        ("Local run", "DATA_DIR", "`.data`", "path"),
        ("Local run", "WORKERS", "number of processors, at most 4", "1 to 256"),
        ("Logging", "LOG_FORMAT", "`text`", "`text`, `json`"),
    ],
)
def test_defaults_and_bounds_are_those_of_the_class(section: str, name: str, default: str, values: str) -> None:
    assert rows(section_of(section))[name][:2] == [default, values]


def test_computed_defaults_are_those_without_a_fixed_value() -> None:
    computed = {
        name.upper()
        for section in configuration.SECTIONS
        for name, field in section.settings.model_fields.items()
        if field.default_factory is not None
    }
    assert computed == configuration.COMPUTED.keys()
