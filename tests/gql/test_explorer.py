"""The explorer's page: what is served with and without it, and what its build does when it cannot."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gql import explorer
from gql.explorer import build

SOURCES = Path(explorer.__file__).parent
needs_node = pytest.mark.skipif(
    build._installed_tools() is None,  # noqa: SLF001 - without it the build first fetches a wheel of 60 MB
    reason="no Node 20.19 or newer on this machine",
)


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A page as the bundler leaves it, with one file of each kind."""
    folder = tmp_path / "dist"
    (folder / "explorer").mkdir(parents=True)
    (folder / "index.html").write_text('<script type="module" src="./explorer/index-abc.js"></script>')
    for name in ("index-abc.js", "index-abc.css", "favicon-abc.svg", "codicon-abc.ttf"):
        (folder / "explorer" / name).write_text(name)
    (folder / "stamp").write_text("of the build")
    return folder


def client(dist: Path) -> httpx.AsyncClient:
    app = FastAPI()
    explorer.add_routes(app, dist)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


def test_the_page_is_what_was_built(dist: Path) -> None:
    assert explorer.page(dist) == (dist / "index.html").read_text()


def test_there_is_no_page_before_it_is_built(tmp_path: Path) -> None:
    assert explorer.page(tmp_path / "dist") is None


def test_the_page_in_its_place_says_how_to_mend_it() -> None:
    assert "make explorer" in explorer.fallback("http://localhost/graphql")


def test_the_page_in_its_place_shows_a_request_to_the_address_asked_for() -> None:
    assert "curl http://localhost:9000/api/graphql" in explorer.fallback("http://localhost:9000/api/graphql")


def test_an_address_with_markup_or_shell_in_it_stays_text() -> None:
    text = explorer.fallback("http://localhost/graphql?<script>alert(1)</script>;reboot")
    assert "<script" not in text
    assert "curl &#x27;http://localhost/graphql?&lt;script&gt;" in text


@pytest.mark.parametrize("html", [explorer.fallback("http://localhost/graphql"), (SOURCES / "index.html").read_text()])
def test_neither_page_has_inline_code_or_a_foreign_address(html: str) -> None:
    assert "<style" not in html
    assert "style=" not in html
    assert 'src="//' not in html
    assert "<script>" not in html
    assert not [part for part in html.split('"') if part.startswith(("http://", "https://", "//"))]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("index-abc.js", "text/javascript; charset=utf-8"),
        ("index-abc.css", "text/css; charset=utf-8"),
        ("favicon-abc.svg", "image/svg+xml"),
        ("codicon-abc.ttf", "font/ttf"),
    ],
)
async def test_a_file_says_what_it_is_and_that_it_never_changes(dist: Path, name: str, media_type: str) -> None:
    async with client(dist) as http:
        answer = await http.get(f"/explorer/{name}")
    assert answer.status_code == httpx.codes.OK
    assert answer.text == name
    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/explorer/none.js", "/explorer/", "/explorer/..%2fstamp", "/explorer/%2e%2e/index.html"]
)
async def test_nothing_but_the_pages_files_is_served(dist: Path, path: str) -> None:
    async with client(dist) as http:
        answer = await http.get(path)
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert "cache-control" not in answer.headers


async def test_a_page_built_while_the_server_runs_is_served(dist: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    async with client(later) as http:
        before = await http.get("/explorer/index-abc.js")
        shutil.move(dist, later)
        after = await http.get("/explorer/index-abc.js")
    assert (before.status_code, after.status_code) == (httpx.codes.NOT_FOUND, httpx.codes.OK)


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("v20.19.0\n", True),
        ("v20.18.3\n", False),
        ("v18.20.4\n", False),
        ("v21.7.3\n", False),
        ("v22.12.0\n", True),
        ("v22.11.0\n", False),
        ("v24.0.0\n", True),
        ("", False),
    ],
)
def test_a_node_fits_when_the_bundler_says_it_does(version: str, fits: bool) -> None:
    assert build.is_new_enough(version) is fits


def test_the_lock_file_names_no_host() -> None:
    """So that it holds for whatever registry or mirror the installing machine uses; the hashes stay."""
    lock = (SOURCES / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity": "sha512-' in lock


def test_a_new_page_replaces_the_old_one_and_its_files(dist: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    (made / "explorer").mkdir(parents=True)
    (made / "index.html").write_text("new")
    for name in ("index-xyz.js", "favicon-abc.svg"):
        (made / "explorer" / name).write_text("new")

    build.publish(made, dist)

    assert explorer.page(dist) == "new"
    assert {path.name: path.read_text() for path in (dist / "explorer").iterdir()} == {
        "index-xyz.js": "new",
        "favicon-abc.svg": "new",
    }


# ---- the build, in a copy of the sources, as a process of its own ---------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The explorer's sources in a tree of their own, never built."""
    root = tmp_path / "tree"
    shutil.copytree(
        SOURCES, root / "gql/explorer", ignore=shutil.ignore_patterns("dist", "node_modules", "__pycache__")
    )
    (root / "gql/__init__.py").touch()
    return root


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers: the network of a firewall that drops."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1]


def run_build(root: Path, port: int, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Build with both package registries at that port of this machine."""
    registry = f"http://127.0.0.1:{port}/"
    environment: Mapping[str, str] = {
        **os.environ,
        "npm_config_registry": registry,
        "npm_config_cache": str(root / "npm-cache"),
        "PIP_INDEX_URL": registry,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(root / "no-wheels"),
        "PATH": os.environ["PATH"] if path is None else path,
    }
    command = (sys.executable, "-m", "gql.explorer.build", *arguments)
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False)


@needs_node
def test_packages_that_cannot_be_reached_are_one_clear_line(copy: Path, closed_port: int) -> None:
    done = run_build(copy, closed_port)
    assert done.stderr == (
        "GraphiQL was not built: the npm registry is unreachable (ECONNREFUSED). "
        "Until `make explorer` succeeds, /graphql serves a fallback page.\n"
    )
    assert (done.stdout, done.returncode) == ("", 1)
    assert explorer.page(copy / "gql/explorer/dist") is None


@needs_node
def test_an_optional_page_that_cannot_be_built_is_no_failure(copy: Path, closed_port: int) -> None:
    done = run_build(copy, closed_port, "--optional")
    assert "GraphiQL was not built" in done.stderr
    assert done.returncode == 0


@needs_node
def test_a_network_that_never_answers_is_given_up_within_half_a_minute(copy: Path, silent_port: int) -> None:
    started = time.monotonic()
    done = run_build(copy, silent_port)
    assert "the npm registry is unreachable" in done.stderr
    assert time.monotonic() - started < 30


def test_a_machine_without_node_or_its_wheel_is_told_so(copy: Path, closed_port: int) -> None:
    done = run_build(copy, closed_port, path="")
    assert "Node 20.19 or newer is not installed, and installing its wheel failed" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.returncode == 1


def test_a_folder_that_cannot_be_written_is_told_in_one_line_too(copy: Path, closed_port: int) -> None:
    (copy / "gql/explorer/dist").touch()
    done = run_build(copy, closed_port, "--optional")
    assert done.stderr.startswith("GraphiQL was not built: ")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 0


def test_unchanged_inputs_are_not_built_again(copy: Path, closed_port: int) -> None:
    """Nothing is asked of the network, and no Node is needed."""
    dist = copy / "gql/explorer/dist"
    dist.mkdir()
    (dist / "stamp").write_text(build.fingerprint(copy / "gql/explorer"))
    done = run_build(copy, closed_port, path="")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_an_earlier_page_stays_when_a_later_build_fails(copy: Path, closed_port: int) -> None:
    dist = copy / "gql/explorer/dist"
    dist.mkdir()
    (dist / "index.html").write_text("earlier")
    (dist / "stamp").write_text("of other inputs")
    done = run_build(copy, closed_port, path="")
    assert "/graphql serves the previous build" in done.stderr
    assert explorer.page(dist) == "earlier"


def test_what_a_killed_build_left_is_cleared(copy: Path, closed_port: int) -> None:
    left = copy / "gql/explorer/dist/unfinished-abc"
    left.mkdir(parents=True)
    run_build(copy, closed_port, path="")
    assert not left.exists()


@pytest.mark.parametrize("name", ["src/tabs.js", "src/main.jsx", "package-lock.json", "vite.config.js", "index.html"])
def test_a_changed_input_asks_for_a_new_build(copy: Path, name: str) -> None:
    root = copy / "gql/explorer"
    before = build.fingerprint(root)
    (root / name).write_text((root / name).read_text() + "\n")
    assert build.fingerprint(root) != before


def test_a_renamed_input_asks_for_a_new_build(copy: Path) -> None:
    root = copy / "gql/explorer"
    before = build.fingerprint(root)
    (root / "src/tabs.js").rename(root / "src/steps.js")
    assert build.fingerprint(root) != before
