from hypothesis import given
from hypothesis import strategies as st

from gql.local.lines import LONGEST_LINE, LineSplitter


@given(st.text(alphabet=st.characters(exclude_characters="\r", codec="utf-8")), st.integers(1, 9))
def test_lines_are_the_same_however_the_bytes_are_cut(text: str, size: int) -> None:
    data = text.encode()
    splitter = LineSplitter()
    lines = [line for start in range(0, len(data), size) for line in splitter.feed(data[start : start + size])]
    assert "\n".join([*lines, *splitter.end()]) == text.removesuffix("\n")


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert LineSplitter().feed(b"a\xffb\r\n") == ["a\ufffdb"]


def test_a_very_long_line_comes_in_pieces_before_it_ends() -> None:
    splitter = LineSplitter()
    pieces = splitter.feed(b"x" * (2 * LONGEST_LINE + 1))
    assert [len(piece) for piece in pieces] == [LONGEST_LINE, LONGEST_LINE]
    assert splitter.end() == ["x"]
