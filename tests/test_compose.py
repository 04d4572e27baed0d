"""docker-compose.yml: services, networks, secrets and telemetry settings."""

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
# Services that start with the profile "core".
CORE = {"api", "celery-worker", "valkey", "secrets"}
# Services that run once and exit.
ONCE = {"secrets"}
ANYWHERE = "0.0.0.0"  # noqa: S104 - an address that is refused
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
    """Interpolates a value as Compose does: nested ${NAME}, ${NAME-default}, ${NAME:-default}, ${NAME:+replacement}."""
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
    """Services in the addresses of a configuration, such as http://grafana:3000 or jaeger:4317."""
    return set(re.findall(rf"(?<![\w-])({'|'.join(SERVICES)}):\d+(?!\.)", text))


def endpoint_of(name: str, environment: dict[str, str]) -> str:
    """The telemetry endpoint of a service."""
    [file] = SERVICES[name]["env_file"]
    lines = (ROOT / interpolated(file, environment)).read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert values.keys() == {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    return interpolated(values["OTEL_EXPORTER_OTLP_ENDPOINT"], environment)


@pytest.mark.parametrize("name", sorted(TELEMETRY))
def test_telemetry_variables_are_passed_to_services(name: str) -> None:
    value = SERVICES["api"]["environment"][name]
    for other in ("celery-worker", "locust", "locust-worker"):
        assert SERVICES[other]["environment"][name] == value
    assert interpolated(value, {name: "mine"}) == "mine"


def test_default_profile_starts_everything_and_core_exports_no_telemetry() -> None:
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
    # Core services do not need observability services.
    assert {
        other
        for name in CORE
        for other, how in SERVICES[name].get("depends_on", {}).items()
        if how.get("required", True)
    } <= CORE


@pytest.mark.parametrize("name", SERVICES)
def test_services_wait_only_for_services_with_a_health_check(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if other in ONCE:
            assert how == {"condition": "service_completed_successfully"}
            continue
        if other == "otel-collector":
            # It has no health check, and its senders retry.
            assert how == {"condition": "service_started", "required": False}
            continue
        assert how == {"condition": "service_healthy"}
        # The API's health check is in its image.
        assert "healthcheck" in SERVICES[other] or other == "api"


@pytest.mark.parametrize("name", ["api", "celery-worker"])
def test_senders_of_telemetry_stop_before_the_collector(name: str) -> None:
    """Compose stops services before those that they depend on."""
    assert "otel-collector" in SERVICES[name]["depends_on"]


def test_value_that_compose_1_rejects_says_what_is_needed() -> None:
    """Compose 1 prints it as invalid, because it knows no ${NAME:+replacement}."""
    for service in SERVICES.values():
        assert service["labels"] == {"requires": "${COMPOSE_PROFILES:+}Docker Compose 2.20 or newer"}


def test_store_accepts_connections_of_other_containers_and_is_recreated_for_another_prefix() -> None:
    """Its default user has no password, which protected mode would refuse. It reads its users once, at its start."""
    assert "--protected-mode no" in " ".join(SERVICES["valkey"]["command"])
    assert SERVICES["valkey"]["environment"].keys() == SERVICES["secrets"]["environment"].keys() == {"KEY_PREFIX"}


@pytest.mark.parametrize("name", SERVICES)
def test_bind_mounts_exist_and_are_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        outside, _, *how = volume.split(":")
        if outside.startswith("."):
            assert how == ["ro"]
            # Otherwise the engine would create an empty folder with that name.
            assert (ROOT / outside).is_file() or list((ROOT / outside).iterdir()), outside
        else:
            assert outside in COMPOSE["volumes"]


def test_stores_write_to_volumes() -> None:
    """Their root file systems are read-only."""
    [of_traces] = re.findall(r"JAEGER_DATA:-(\S+?)\}/keys", mounts("jaeger")["/etc/jaeger/config.yaml"].read_text())
    assert of_traces.split("/")[:2] == ["", "tmp"]
    assert "traces:/tmp" in SERVICES["jaeger"]["volumes"]
    assert "-storageDataPath=/storage" in SERVICES["victoria-metrics"]["command"]
    assert "metrics:/storage" in SERVICES["victoria-metrics"]["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_service_shares_a_network_with_services_it_refers_to(name: str) -> None:
    """In its command, its environment, and the configuration files that are mounted."""
    files = [path for path in mounts(name).values() if path.is_file()]
    files += [path for folder in mounts(name).values() if folder.is_dir() for path in folder.glob("*.yml")]
    text = "\n".join([yaml.safe_dump(SERVICES[name]), *(path.read_text(encoding="utf-8") for path in files)])
    others = services_named(text) - {name}
    for other in others:
        assert networks_of(name) & networks_of(other), other
    if name in {"victoria-metrics", "grafana", "vmalert", "otel-collector"}:
        assert others


def test_grafana_interval_equals_the_export_interval() -> None:
    """With a shorter one, $__rate_interval would contain fewer than two points. Scrapes have the same interval."""
    [stores] = (ROOT / "observability/grafana/provisioning/datasources").iterdir()
    sources = {source["uid"]: source for source in yaml.safe_load(stores.read_text(encoding="utf-8"))["datasources"]}
    assert sources.keys() == {"victoriametrics", "jaeger"}
    interval = interpolated(SERVICES["api"]["environment"]["OTEL_METRIC_EXPORT_INTERVAL"], {})
    scrape = yaml.safe_load((ROOT / "observability/victoria-metrics/scrape.yaml").read_text(encoding="utf-8"))
    assert sources["victoriametrics"]["jsonData"]["timeInterval"] == f"{int(interval) // 1000}s"
    assert scrape["global"]["scrape_interval"] == f"{int(interval) // 1000}s"


def test_secrets_are_existing_files_and_never_environment_variables() -> None:
    """Compose can't write a secret from the environment into a container with a read-only root file system."""
    for secret in COMPOSE["secrets"].values():
        assert (ROOT / interpolated(secret["file"], {})).is_file()
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
        named = {name for name in service.get("environment", {}) if re.search("PASSWORD|SECRET|TOKEN$", name)}
        assert {name for name in named if not name.startswith("AWS_")} <= {
            "GF_SECURITY_ADMIN_PASSWORD__FILE",
            "REDIS_PASSWORD_FILE",
        }
    [path] = [SERVICES["grafana"]["environment"][name] for name in ["GF_SECURITY_ADMIN_PASSWORD__FILE"]]
    assert path.removeprefix("/run/secrets/") in SERVICES["grafana"]["secrets"]


def test_each_role_can_read_only_its_own_password() -> None:
    """One service generates them in volumes, each of which is mounted by one role."""
    volumes = dict(volume.split(":")[:2] for volume in SERVICES["secrets"]["volumes"])
    assert volumes == {f"{role}-secret": f"/secrets/{role}" for role in ("store", "api", "worker")}
    roles = {"valkey": "store", "api": "api", "celery-worker": "worker"}
    for name, service in SERVICES.items():
        secret = {volume for volume in service.get("volumes", []) if "-secret:" in volume}
        if name != "secrets":
            # The image of API and worker has folders for the other roles, which would be copied into an empty volume.
            how = "ro" if name == "valkey" else "ro,nocopy"
            assert secret == ({f"{roles[name]}-secret:/secrets:{how}"} if name in roles else set())
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
def test_grafana_is_not_published_with_the_default_password(
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


def test_load_test_targets_the_api_of_the_compose_file() -> None:
    assert "--host=http://api:8000" in SERVICES["locust"]["command"]
    assert "--master-host=locust" in SERVICES["locust-worker"]["command"]
    # A published port would prevent scaling.
    assert "ports" not in SERVICES["locust-worker"]


def test_home_dashboard_of_grafana_exists() -> None:
    page = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    [(inside, outside)] = [item for item in mounts("grafana").items() if page.startswith(f"{item[0]}/")]
    assert (outside / page.removeprefix(f"{inside}/")).is_file()


def composed(*arguments: str, **environment: str) -> str:
    """The output of Docker Compose; skips the test if it is not installed."""
    version = [*DOCKER_COMPOSE, "version"]
    if not shutil.which("docker") or subprocess.run(version, capture_output=True, check=False).returncode:
        pytest.skip("Docker Compose is not installed")
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
def test_compose_omits_telemetry_without_the_full_profile(profile: str) -> None:
    assert set(composed("config", "--services", COMPOSE_PROFILES=profile).split()) == CORE
    # An optional dependency is printed even if it is not started.
    config = composed("config", COMPOSE_PROFILES=profile)
    assert set(re.findall(r"otel-collector\S*", config)) == {"otel-collector:"}


def test_compose_accepts_a_range_of_ports_for_several_apis() -> None:
    config = json.loads(composed("config", "--format", "json", PORT="8000-8002"))
    [port] = config["services"]["api"]["ports"]
    assert (port["published"], port["target"]) == ("8000-8002", 8000)
