"""A request whose target is a URL reaches the application as one with a path and a Host."""

from __future__ import annotations

import pytest

from gql.server.request_target import is_absolute, origin_form


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("http://a.example/livez", "/livez", "a.example"),
        ("HTTP://A.example:81/x?y=http://z", "/x?y=http://z", "A.example:81"),
        ("https://[::1]:8000/%2F?", "/%2F", "[::1]:8000"),
        ("http://[::1]", "/", "[::1]"),
        ("http://a.example?x=1", "/?x=1", "a.example"),
        ("http://user:password@a.example/", "/", "a.example"),
    ],
)
def test_url_is_split(target: str, path: str, host: str) -> None:
    assert is_absolute(target.encode())
    headers = [(b"accept", b"*/*"), (b"host", b"b.example"), (b"host", b"c.example")]
    expected = [(b"host", host.encode()), (b"accept", b"*/*")]
    assert origin_form(target.encode(), headers) == (path.encode(), expected)


@pytest.mark.parametrize("target", ["/", "/x?y=http://z", "//a.example/", "*", "a.example:443"])
def test_other_targets_are_not_urls(target: str) -> None:
    assert not is_absolute(target.encode())
