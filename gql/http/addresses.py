"""Addresses in responses: paths on this origin, under the prefix at which a proxy publishes the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def path_prefix(scope: Mapping[str, object]) -> str:
    """The prefix of all paths, without a trailing slash; empty at the root of an origin."""
    return str(scope.get("root_path", "")).rstrip("/")
