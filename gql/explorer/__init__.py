"""GraphiQL for browsers at /graphql, served from this origin alone, and a fallback page when it was not built.

The endpoint sends `page() or fallback(url)`. `add_routes(app)` serves the page's assets. Both read the disk on each
request, so a page built while the server runs is served on the next reload. build.py builds the page from src/.
"""

import html
import os
import shlex
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

DIST: Final = Path(__file__).parent / "dist"

# The page names its files relative to itself: `explorer/x.js`, seen from /graphql. vite.config.js has the same word.
ASSETS_PATH: Final = "/explorer"

# What the page needs and no more. Styles: the editor writes its own at run time. data: its icons, inside its CSS.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# A worker is held to the policy of its own script.
_FILE_POLICY: Final = "default-src 'none'; script-src 'self'; connect-src 'self'"

# A file's name carries the hash of its content, so what was fetched once is good for ever (a year).
_CACHE_CONTROL: Final = "public, max-age=31536000, immutable"

# Said here rather than asked of the machine, whose own table may lack the font or give scripts another type.
_MEDIA_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}

_FALLBACK: Final = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Primes · GraphQL</title>
  </head>
  <body>
    <h1>The API works; its explorer was not built</h1>
    <p>GraphiQL is built from npm packages when the project is installed, and they could not be had then: no network, or
      no Node. To mend it, run <code>make explorer</code> (it says what is missing), then reload this page. The server
      need not be started again.</p>
    <p>Until then, from a shell:</p>
    <pre>{example}</pre>
    <p>The same jobs over REST: <a href="docs">manual</a>.</p>
  </body>
</html>
"""
_EXAMPLE: Final = (
    '{"query": "mutation { generatePrimes(input: {count: 10}, waitMs: 1000) '
    '{ ... on GeneratePrimesAccepted { job { primes { values } } } } }"}'
)


def page(dist: Path = DIST) -> str | None:
    """The explorer's HTML, or None where it was not built. Reads a file of about 1 kB."""
    try:
        return (dist / "index.html").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def fallback(url: str) -> str:
    """The page in the explorer's place: what happened, how to mend it, and a request that works already.

    Args:
        url: the endpoint's own address, as the browser asked for it.
    """
    words = ("curl", shlex.quote(url), "\\\n  -H 'Content-Type: application/json' \\\n  -d", shlex.quote(_EXAMPLE))
    command = " ".join(words)
    return _FALLBACK.format(example=html.escape(command))


def add_routes(app: Starlette, dist: Path = DIST) -> None:
    """Serve the page's files at ASSETS_PATH, before as well as after they are built."""
    app.mount(ASSETS_PATH, _Assets(directory=dist / "explorer", check_dir=False), name="explorer")


class _Assets(StaticFiles):
    """Files that never change under their name."""

    async def check_config(self) -> None:
        """Accept that the folder is missing: not built is an ordinary state, and its files are 404."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Add to a file's answer how long it holds and what it is."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = _CACHE_CONTROL
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["content-security-policy"] = _FILE_POLICY
        if media_type := _MEDIA_TYPES.get(Path(full_path).suffix):
            response.headers["content-type"] = media_type
        return response
