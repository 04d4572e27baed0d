"""A request whose target is a URL reaches the application as one with a path and a Host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gql.server.request_target import OWN_SEGMENTS, is_absolute, origin_form, removable_prefix, without_prefix

if TYPE_CHECKING:
    from tests.conftest import System


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


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/primes", "/"),
        ("/primes/", "/"),
        ("/primes?a=/primes/", "/?a=/primes/"),
        ("/primes/graphql?a", "/graphql?a"),
        ("/primes/primes/graphql", "/primes/graphql"),
        ("/graphql", "/graphql"),
        ("/graphql?a=/primes/b", "/graphql?a=/primes/b"),
        ("/primesx/graphql", "/primesx/graphql"),
        ("/", "/"),
        ("*", "*"),
    ],
)
def test_prefix_is_removed_once_if_the_proxy_left_it(target: str, path: str) -> None:
    assert without_prefix(target.encode(), removable_prefix("/primes")) == path.encode()


@pytest.mark.parametrize("root_path", ["", *(f"/{segment}" for segment in OWN_SEGMENTS), "/jobs/a"])
def test_prefix_that_may_be_a_path_is_never_removed(root_path: str) -> None:
    assert removable_prefix(root_path) == b""


def test_own_segments_are_those_of_all_paths(system: System) -> None:
    documented = httpx.get(f"{system.url}/openapi.json").json()["paths"]
    others = {"docs", "explorer", "graphql", "links", "openapi.json", "static"}
    assert {path.split("/")[1] for path in documented} | others == OWN_SEGMENTS
