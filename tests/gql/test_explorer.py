"""GraphiQL and the console: the pages and their assets, the fallback page, and the build with its failures."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gql import explorer
from gql.explorer import build
from tests.programs import ROOT

SOURCES = Path(explorer.__file__).parent


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A page as built by the bundler, with one asset of each type."""
    folder = tmp_path / "dist"
    (folder / "explorer").mkdir(parents=True)
    (folder / "index.html").write_text('<script type="module" src="./explorer/index-abc.js"></script>')
    (folder / "console.html").write_text('<script type="module" src="./explorer/console-abc.js"></script>')
    for name in ("index-abc.js", "index-abc.css", "favicon-abc.svg", "codicon-abc.ttf"):
        (folder / "explorer" / name).write_text(name)
    (folder / "stamp").write_text("of the build")
    return folder


def client(dist: Path) -> httpx.AsyncClient:
    app = FastAPI()
    explorer.add_routes(app, dist)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


def test_the_pages_are_the_built_ones(dist: Path) -> None:
    assert explorer.page(explorer.GRAPHIQL, dist) == (dist / "index.html").read_text()
    assert explorer.page(explorer.CONSOLE, dist) == (dist / "console.html").read_text()


def test_an_unbuilt_page_is_none(tmp_path: Path) -> None:
    assert explorer.page(explorer.GRAPHIQL, tmp_path / "dist") is None


def test_the_fallback_page_names_the_build_command() -> None:
    assert "make explorer" in explorer.fallback("http://localhost/graphql")


def test_the_fallback_page_shows_a_request_to_its_own_address() -> None:
    assert "curl http://localhost:9000/api/graphql" in explorer.fallback("http://localhost:9000/api/graphql")


def test_the_fallback_page_escapes_the_address() -> None:
    text = explorer.fallback("http://localhost/graphql?<script>alert(1)</script>;reboot")
    assert "<script" not in text
    assert "curl &#x27;http://localhost/graphql?&lt;script&gt;" in text


@pytest.mark.parametrize(
    "html",
    [
        explorer.fallback("http://localhost/graphql"),
        (SOURCES / "index.html").read_text(),
        (SOURCES / "console.html").read_text(),
    ],
)
def test_no_page_has_inline_code_or_a_foreign_address(html: str) -> None:
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
async def test_an_asset_has_its_media_type_and_is_immutable(dist: Path, name: str, media_type: str) -> None:
    async with client(dist) as http:
        response = await http.get(f"/explorer/{name}")
    assert response.status_code == httpx.codes.OK
    assert response.text == name
    assert response.headers["content-type"] == media_type
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/explorer/none.js", "/explorer/", "/explorer/..%2fstamp", "/explorer/%2e%2e/index.html"]
)
async def test_only_the_assets_are_served(dist: Path, path: str) -> None:
    async with client(dist) as http:
        response = await http.get(path)
    assert response.status_code == httpx.codes.NOT_FOUND
    assert "cache-control" not in response.headers


async def test_a_page_built_while_the_server_runs_is_served(dist: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    async with client(later) as http:
        before = await http.get("/explorer/index-abc.js")
        shutil.move(dist, later)
        after = await http.get("/explorer/index-abc.js")
    assert (before.status_code, after.status_code) == (httpx.codes.NOT_FOUND, httpx.codes.OK)


@pytest.mark.parametrize(
    ("version", "expected"),
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
def test_node_is_new_enough_for_the_bundler(version: str, expected: bool) -> None:
    assert build.is_new_enough(version) is expected


def test_the_lock_file_has_no_host() -> None:
    """It is valid for any registry or mirror. The hashes are kept."""
    lock = (SOURCES / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity": "sha512-' in lock


def test_a_new_page_replaces_the_old_one_and_its_assets(dist: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    (output / "explorer").mkdir(parents=True)
    (output / "index.html").write_text("new")
    (output / "console.html").write_text("new console")
    for name in ("index-xyz.js", "favicon-abc.svg"):
        (output / "explorer" / name).write_text("new")

    build.publish(output, dist)

    assert explorer.page(explorer.GRAPHIQL, dist) == "new"
    assert explorer.page(explorer.CONSOLE, dist) == "new console"
    assert {path.name: path.read_text() for path in (dist / "explorer").iterdir()} == {
        "index-xyz.js": "new",
        "favicon-abc.svg": "new",
    }


# The build, in a copy of the sources, as a separate process


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the explorer's sources and the schema, not built."""
    root = tmp_path / "tree"
    shutil.copytree(
        SOURCES,
        root / "gql/explorer",
        ignore=shutil.ignore_patterns("dist", "generated", "node_modules", "__pycache__"),
    )
    (root / "gql/__init__.py").touch()
    (root / "schema").mkdir()
    shutil.copy(ROOT / "schema/schema.graphql", root / "schema")
    return root


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def run_build(root: Path, port: int, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Build with both package registries at this local port."""
    registry = f"http://127.0.0.1:{port}/"
    environment = {
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


def test_a_missing_node_and_wheel_are_reported(copy: Path, closed_port: int) -> None:
    result = run_build(copy, closed_port, path="")
    assert "Node 20.19 or newer is not installed, and installing its wheel failed" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.returncode == 1


def test_an_unwritable_folder_is_reported_in_one_line(copy: Path, closed_port: int) -> None:
    (copy / "gql/explorer/dist").touch()
    result = run_build(copy, closed_port, "--optional")
    assert result.stderr.startswith("GraphiQL and the console were not built: ")
    assert result.stderr.count("\n") == 1
    assert result.returncode == 0


def test_unchanged_inputs_are_not_built_again(copy: Path, closed_port: int) -> None:
    """No network and no Node are needed."""
    dist = copy / "gql/explorer/dist"
    dist.mkdir()
    (dist / "stamp").write_text(build.fingerprint(copy / "gql/explorer"))
    result = run_build(copy, closed_port, path="")
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)


def test_a_failed_build_keeps_the_previous_page(copy: Path, closed_port: int) -> None:
    dist = copy / "gql/explorer/dist"
    dist.mkdir()
    (dist / "index.html").write_text("previous")
    (dist / "stamp").write_text("hash of other inputs")
    result = run_build(copy, closed_port, path="")
    assert "/graphql and / serve the previous build" in result.stderr
    assert explorer.page(explorer.GRAPHIQL, dist) == "previous"


def test_leftovers_of_a_killed_build_are_removed(copy: Path, closed_port: int) -> None:
    leftover = copy / "gql/explorer/dist/unfinished-abc"
    leftover.mkdir(parents=True)
    run_build(copy, closed_port, path="")
    assert not leftover.exists()


@pytest.mark.parametrize(
    "name",
    [
        "src/graphiql/tabs.js", "src/console/shell/App.tsx", "src/console/jobs/jobs.graphql", "package-lock.json",
        "vite.config.js", "tsconfig.json", "generate.js", "index.html", "console.html", "../../schema/schema.graphql",
    ],
)  # fmt: skip
def test_a_changed_input_changes_the_fingerprint(copy: Path, name: str) -> None:
    root = copy / "gql/explorer"
    before = build.fingerprint(root)
    (root / name).write_text((root / name).read_text() + "\n")
    assert build.fingerprint(root) != before


def test_a_renamed_input_changes_the_fingerprint(copy: Path) -> None:
    root = copy / "gql/explorer"
    before = build.fingerprint(root)
    (root / "src/graphiql/tabs.js").rename(root / "src/graphiql/steps.js")
    assert build.fingerprint(root) != before
