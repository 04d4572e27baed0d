"""The check of words in tests/wording.py: what it finds, and what it leaves alone."""

from __future__ import annotations

import pytest

from tests.wording import in_text


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("The caller is told to wait.", "told"),
        ("def test_client_is_told_why() -> None:", "told"),
        ("Likewise for workers.", "Likewise"),
        ("returns None where there are none", "there are none"),
        ("SIGN_OF_LIFE_SECONDS = 10", "SIGN_OF_LIFE"),
        ("    # Of one export, in the background.", "Of"),
        ('"""Where the API listens."""', "Where"),
    ],
)
def test_finds_words_in_prose_and_identifiers(text: str, phrase: str) -> None:
    [found] = in_text("docs/page.md", f"# A page\n{text}\n")
    assert found.startswith(f"docs/page.md:2: {phrase!r}: write ")


@pytest.mark.parametrize(
    "text",
    ["stolen", "toldyou", "the indoors sensor", "There are nonessential parts.", "at most", "# Often", "one # Offset"],
)
def test_leaves_other_words_alone(text: str) -> None:
    assert in_text("docs/page.md", text) == []
