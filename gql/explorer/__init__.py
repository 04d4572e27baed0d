"""The pages that are built from src/: GraphiQL at /graphql and the console at /, served from this origin alone.

`page(name)` is the HTML, None if the pages were not built. Then `fallback(url)` replaces GraphiQL; gql.pages replaces
the console. `add_routes(app)` serves the assets of both. All read the disk on each request, so pages built while the
server runs are served on the next reload. build.py builds them.
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

# Files of the built pages.
GRAPHIQL: Final = "index.html"
CONSOLE: Final = "console.html"

# The pages refer to their assets relative to / and /graphql: `explorer/x.js`. vite.config.js has the same folder name.
ASSETS_PATH: Final = "/explorer"

# The minimum that GraphiQL needs. The editor writes inline styles at run time, and its CSS has icons as data: URLs.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# For web workers, which follow the policy of the worker's script.
_FILE_POLICY: Final = "default-src 'none'; script-src 'self'; connect-src 'self'"

# A year: file names contain the hash of the content.
_CACHE_CONTROL: Final = "public, max-age=31536000, immutable"

# Not from the operating system's table, which may lack fonts or have another type for scripts.
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
    <h1>The API is running, but GraphiQL was not built</h1>
    <p>GraphiQL is built from npm packages during installation, which needs a network and Node. Run
      <code>make explorer</code>, which prints what is missing, then reload this page. The server needs no restart.</p>
    <p>To use the API from a shell:</p>
    <pre>{example}</pre>
    <p>REST endpoints: <a href="docs">API documentation</a>.</p>
  </body>
</html>
"""
_EXAMPLE: Final = (
    '{"query": "mutation { generatePrimes(input: {count: 10}, waitMs: 1000) '
    '{ ... on GeneratePrimesAccepted { job { primes { values } } } } }"}'
)


def page(name: str, dist: Path = DIST) -> str | None:
    """The HTML of a built page, or None if it was not built. Reads a file of about 1 kB."""
    try:
        return (dist / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def fallback(url: str) -> str:
    """The page shown if GraphiQL was not built: the reason, the fix, and an example request.

    Args:
        url: address of the GraphQL endpoint, as the browser requested it.
    """
    options = "\\\n  -H 'Content-Type: application/json' \\\n  -d"
    command = f"curl {shlex.quote(url)} {options} {shlex.quote(_EXAMPLE)}"
    return _FALLBACK.format(example=html.escape(command))


def add_routes(app: Starlette, dist: Path = DIST) -> None:
    """Serve the pages' assets at ASSETS_PATH. They can be built later, while the server runs."""
    app.mount(ASSETS_PATH, _Assets(directory=dist / "explorer", check_dir=False), name="explorer")


class _Assets(StaticFiles):
    """Static files that never change: each name contains the hash of the content."""

    async def check_config(self) -> None:
        """Accept a missing folder: the page may not be built. Its files are 404 then."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Add caching, media type and security headers to a file's response."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = _CACHE_CONTROL
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["content-security-policy"] = _FILE_POLICY
        if media_type := _MEDIA_TYPES.get(Path(full_path).suffix):
            response.headers["content-type"] = media_type
        return response
