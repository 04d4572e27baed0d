"""Conditional requests (RFC 9110, section 13) for GET and HEAD, by entity tags. No response has a date to compare."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import Response

from gql.http.fields import combined
from gql.http.problem_details import problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.datastructures import Headers

_ENTITY_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def strong_tags(value: str | None) -> list[str]:
    """The strong entity tags of a list, with their quotes. A malformed list has none."""
    return [tag for weak, tag in _tags(value) if not weak]


def weak_tags(value: str | None) -> list[str]:
    """The entity tags of a list for the weak comparison: all, without the mark of a weak one."""
    return [tag for _, tag in _tags(value)]


def conditional_response(request: Headers, headers: Mapping[str, str]) -> Response | None:
    """The response in place of the content: 412 by If-Match, or else 304 by If-None-Match; None if there is neither.

    Args:
        request: the headers of the request.
        headers: of the response with the content, which has an ETag.
    """
    etag = headers["ETag"]
    if_match, if_none_match = combined(request, "if-match"), combined(request, "if-none-match")
    if if_match is not None and if_match != "*" and etag not in strong_tags(if_match):
        response = problem(HTTPStatus.PRECONDITION_FAILED, f"If-Match does not have the current ETag, {etag}")
        # Other headers are about the content.
        response.headers.update({name: value for name, value in headers.items() if name in {"ETag", "Vary"}})
        return response
    if if_none_match is not None and (if_none_match == "*" or etag in weak_tags(if_none_match)):
        kept = {name: value for name, value in headers.items() if not name.startswith("Content-")}
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=kept)
    return None


def _tags(value: str | None) -> list[tuple[str, str]]:
    text = value or ""
    is_list = not _ENTITY_TAG.sub("", text).strip(" \t,")
    return _ENTITY_TAG.findall(text) if is_list else []
