"""CORS: pages of the allowed origins may send any request, and read every response with its headers.

Starlette's own middleware. It is outside of authentication, since a preflight request has no credentials, and outside
of everything that may respond with an error, since a page can only read errors that have its headers.

Only responses of the HTTP protocol itself have none: 400 to bytes that are not HTTP, which no page sends, and to a head
above 64 KiB (gql.server.slow_requests), whose origin is not known yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Collection

_METHODS = ("GET", "HEAD", "POST")

# Headers of our responses that a page could not read otherwise. Not those for browsers and caches.
EXPOSED_HEADERS = (
    "Accept-Ranges",
    "Allow",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "WWW-Authenticate",
)


def cross_origin(allowed_origins: Collection[str]) -> list[Middleware]:
    """The middleware for these origins, none without them.

    Clients add their own headers, such as names and versions, so all are allowed. Credentials are sent in
    Authorization: pages may not use cookies or certificates of a proxy.
    """
    if not allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=allowed_origins,
            allow_methods=_METHODS,
            allow_headers=("*",),
            # For a page on the internet, the API of a machine or a company is in a private network.
            allow_private_network=True,
            expose_headers=EXPOSED_HEADERS,
        )
    ]
