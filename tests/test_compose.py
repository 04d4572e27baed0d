"""docker-compose.yml: what is started, who talks to whom, and what is told of telemetry."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.telemetry.deployed import mounts
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# What is started where nothing is to be measured.
CORE = {"api", "celery-worker", "valkey", "secrets"}
# They do one thing and end.
ONCE = {"secrets"}
ANYWHERE = "0.0.0.0"  # noqa: S104 - what is refused here
TELEMETRY = {
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_RESOURCE_ATTRIBUTES",
}
DOCKER_COMPOSE = ["docker", "compose"]


def interpolated(value: str, environment: dict[str, str]) -> str:
    """A value as Compose reads it: ${NAME}, ${NAME-default}, ${NAME:-default} and ${NAME:+replacement}, nested."""
    innermost = re.compile(r"\$\{(\w+)(?:(:?[-+])([^{}]*))?\}")

    def replace(match: re.Match[str]) -> str:
        name, how, other = match.groups()
        given = environment.get(name)
        match how:
            case "-":
                return other if given is None else given
            case ":-":
                return given or other
            case ":+":
                return other if given else ""
            case _:
                return given or ""

    while innermost.search(value):
        value = innermost.sub(replace, value)
    return value


def networks_of(name: str) -> set[str]:
    return set(SERVICES[name]["networks"])


def services_named(text: str) -> set[str]:
    """Those that a configuration talks to: in http://grafana:3000, or in jaeger:4317."""
    return set(re.findall(rf"(?<![\w-])({'|'.join(SERVICES)}):\d+(?!\.)", text))


def endpoint_of(name: str, environment: dict[str, str]) -> str:
    """Where a service sends its telemetry to."""
    [file] = SERVICES[name]["env_file"]
    lines = (ROOT / interpolated(file, environment)).read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert values.keys() == {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    return interpolated(values["OTEL_EXPORTER_OTLP_ENDPOINT"], environment)


@pytest.mark.parametrize("name", sorted(TELEMETRY))
def test_what_the_environment_says_of_telemetry_is_passed_on(name: str) -> None:
    value = SERVICES["api"]["environment"][name]
    for other in ("celery-worker", "locust", "locust-worker"):
        assert SERVICES[other]["environment"][name] == value
    assert interpolated(value, {name: "mine"}) == "mine"


def test_all_is_started_unless_no_profile_is_asked_for_and_then_nothing_is_sent() -> None:
    dotenv = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env").read_text(encoding="utf-8"), re.MULTILINE))
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", [])} == {
        dotenv["COMPOSE_PROFILES"]
    }
    assert {name for name, service in SERVICES.items() if not service.get("profiles")} == CORE
    for name in ("api", "celery-worker", "locust", "locust-worker"):
        assert endpoint_of(name, dotenv) == "http://otel-collector:4318"
        assert endpoint_of(name, {"COMPOSE_PROFILES": "core"}) == endpoint_of(name, {}) == ""
        assert endpoint_of(name, dotenv | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://mine:4318"}) == "http://mine:4318"
        assert endpoint_of(name, dotenv | {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}) == ""
    # Who measures nothing waits for nobody who would measure it.
    assert {other for name in CORE for other in SERVICES[name].get("depends_on", {})} <= CORE


@pytest.mark.parametrize("name", SERVICES)
def test_who_is_waited_for_can_say_that_it_is_ready(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if other in ONCE:
            assert how == {"condition": "service_completed_successfully"}
            continue
        assert how == {"condition": "service_healthy"}
        # The API's is in its image.
        assert "healthcheck" in SERVICES[other] or other == "api"


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there_and_can_only_be_read(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        outside, _, *how = volume.split(":")
        if outside.startswith("."):
            assert how == ["ro"]
            # Else the engine would make an empty folder of that name.
            assert (ROOT / outside).is_file() or list((ROOT / outside).iterdir()), outside
        else:
            assert outside in COMPOSE["volumes"]


def test_what_the_stores_keep_is_on_volumes() -> None:
    """Anywhere else their file systems can't be written to."""
    [of_traces] = re.findall(r"JAEGER_DATA:-(\S+?)\}/keys", mounts("jaeger")["/etc/jaeger/config.yaml"].read_text())
    assert of_traces.split("/")[:2] == ["", "tmp"]
    assert "traces:/tmp" in SERVICES["jaeger"]["volumes"]
    assert "-storageDataPath=/storage" in SERVICES["victoria-metrics"]["command"]
    assert "metrics:/storage" in SERVICES["victoria-metrics"]["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_whoever_is_named_is_on_a_network_of_those_who_name_it(name: str) -> None:
    """In a service's command and environment, and in the configuration that it is given."""
    files = [path for path in mounts(name).values() if path.is_file()]
    files += [path for folder in mounts(name).values() if folder.is_dir() for path in folder.glob("*.yml")]
    said = "\n".join([yaml.safe_dump(SERVICES[name]), *(path.read_text(encoding="utf-8") for path in files)])
    others = services_named(said) - {name}
    for other in others:
        assert networks_of(name) & networks_of(other), other
    if name in {"victoria-metrics", "grafana", "vmalert", "otel-collector"}:
        assert others


def test_grafana_is_told_how_often_the_programs_send() -> None:
    """With less, its $__rate_interval would hold no two points; and what is scraped comes as often."""
    [stores] = (ROOT / "observability/grafana/provisioning/datasources").iterdir()
    sources = {source["uid"]: source for source in yaml.safe_load(stores.read_text(encoding="utf-8"))["datasources"]}
    assert sources.keys() == {"victoriametrics", "jaeger"}
    interval = interpolated(SERVICES["api"]["environment"]["OTEL_METRIC_EXPORT_INTERVAL"], {})
    scrape = yaml.safe_load((ROOT / "observability/victoria-metrics/scrape.yaml").read_text(encoding="utf-8"))
    assert sources["victoriametrics"]["jsonData"]["timeInterval"] == f"{int(interval) // 1000}s"
    assert scrape["global"]["scrape_interval"] == f"{int(interval) // 1000}s"


def test_secrets_are_files_that_are_there_and_nobody_s_environment() -> None:
    """Files, as a secret that comes from the environment can't be written into a container whose root is read-only."""
    for secret in COMPOSE["secrets"].values():
        assert (ROOT / interpolated(secret["file"], {})).is_file()
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
        named = {name for name in service.get("environment", {}) if re.search("PASSWORD|SECRET|TOKEN$", name)}
        assert {name for name in named if not name.startswith("AWS_")} <= {
            "GF_SECURITY_ADMIN_PASSWORD__FILE",
            "REDIS_PASSWORD_FILE",
        }
    [where] = [SERVICES["grafana"]["environment"][name] for name in ["GF_SECURITY_ADMIN_PASSWORD__FILE"]]
    assert where.removeprefix("/run/secrets/") in SERVICES["grafana"]["secrets"]


def test_each_role_sees_its_own_password_alone() -> None:
    """Made up by one service, in volumes of which each is given to one role."""
    made = dict(volume.split(":")[:2] for volume in SERVICES["secrets"]["volumes"])
    assert made == {f"{role}-secret": f"/secrets/{role}" for role in ("store", "api", "worker")}
    roles = {"valkey": "store", "api": "api", "celery-worker": "worker"}
    for name, service in SERVICES.items():
        secret = {volume for volume in service.get("volumes", []) if "-secret:" in volume}
        if name != "secrets":
            assert secret == ({f"{roles[name]}-secret:/secrets:ro"} if name in roles else set())
    for name in ("api", "celery-worker"):
        environment = SERVICES[name]["environment"]
        assert environment["REDIS_URL"] == f"redis://{roles[name]}@valkey:6379/0"
        assert environment["REDIS_PASSWORD_FILE"] == "/secrets/password"  # noqa: S105 - a path
    assert "--aclfile /secrets/users.acl" in " ".join(SERVICES["valkey"]["command"])


@pytest.mark.parametrize(
    ("host", "password", "starts"),
    [
        ("127.0.0.1", "admin", True),
        ("localhost", "admin", True),
        (ANYWHERE, "admin", False),
        ("", "admin", False),
        ("192.168.1.1", "admin\n", False),
        (ANYWHERE, "mine", True),
    ],
)
def test_grafana_is_not_published_with_a_password_that_all_know(
    tmp_path: Path, host: str, password: str, *, starts: bool
) -> None:
    service = SERVICES["grafana"]
    assert service["ports"][0].startswith("${GRAFANA_HOST:-127.0.0.1}:")
    assert interpolated(service["environment"]["GRAFANA_HOST"], {"GRAFANA_HOST": ANYWHERE}) == ANYWHERE
    assert service["command"] == ["/run.sh"]
    file = tmp_path / "password"
    file.write_text(password, encoding="utf-8")
    program = [part.replace("$$", "$") for part in service["entrypoint"]]
    environment = {**os.environ, "GRAFANA_HOST": host, "GF_SECURITY_ADMIN_PASSWORD__FILE": str(file)}
    ended = subprocess.run(
        [*program, "echo", "started"], env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    assert (ended.returncode, ended.stdout) == ((0, "started\n") if starts else (1, ""))
    assert starts or ended.stderr.startswith(f"error: Grafana would be published on {host} with password admin: ")


def test_load_is_made_of_the_api_that_the_compose_file_starts() -> None:
    assert "--host=http://api:8000" in SERVICES["locust"]["command"]
    assert "--master-host=locust" in SERVICES["locust-worker"]["command"]
    # Only then can there be any number of it.
    assert "ports" not in SERVICES["locust-worker"]


def test_grafana_finds_its_first_page() -> None:
    page = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    [(inside, outside)] = [item for item in mounts("grafana").items() if page.startswith(f"{item[0]}/")]
    assert (outside / page.removeprefix(f"{inside}/")).is_file()


def composed(*arguments: str, **environment: str) -> str:
    """What Docker Compose says, where it is installed."""
    version = [*DOCKER_COMPOSE, "version"]
    if not shutil.which("docker") or subprocess.run(version, capture_output=True, check=False).returncode:
        pytest.skip("Docker Compose is not on this machine")
    whole = {name: value for name, value in os.environ.items() if name != "COMPOSE_PROFILES"} | environment
    answer = subprocess.run(
        [*DOCKER_COMPOSE, *arguments], cwd=ROOT, env=whole, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def test_compose_accepts_the_file() -> None:
    assert set(composed("config", "--services").split()) == SERVICES.keys()
    config = json.loads(composed("config", "--format", "json"))
    for name, service in config["services"].items():
        endpoint = service.get("environment", {}).get("OTEL_EXPORTER_OTLP_ENDPOINT")
        assert endpoint == ("http://otel-collector:4318" if "env_file" in SERVICES[name] else None)


@pytest.mark.parametrize("profile", ["core", ""])
def test_compose_leaves_telemetry_out_where_no_profile_is_asked_for(profile: str) -> None:
    assert set(composed("config", "--services", COMPOSE_PROFILES=profile).split()) == CORE
    assert "otel-collector" not in composed("config", COMPOSE_PROFILES=profile)


def test_compose_takes_a_port_for_each_of_many_apis() -> None:
    config = json.loads(composed("config", "--format", "json", PORT="8000-8002"))
    [port] = config["services"]["api"]["ports"]
    assert (port["published"], port["target"]) == ("8000-8002", 8000)
