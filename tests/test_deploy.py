"""deploy/: the resources of `kubectl apply --kustomize`, validated against the schemas of Kubernetes and the code.

Without a cluster: tests/e2e/deployment runs the programs of the store, and validates KEDA's resources.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it has annotations but no py.typed
import pytest
import yaml

from gql.server.settings import ServerSettings
from gql.settings import ApiSettings
from tasks.settings import JobSettings
from tasks.storage import messages
from tests.programs import ROOT
from tests.test_compose import SERVICES, TELEMETRY
from tests.test_containers import BUCKET, settings_named

DEPLOY = ROOT / "deploy"
SYSTEMS = ["sentinel", "managed"]
ALL = [*SYSTEMS, "loadtest"]
# From the first version with sleep actions in preStop to the newest with a schema.
VERSIONS = ["1.32", kubernetes_validate.latest_version()]
WORKLOADS = {"Deployment", "StatefulSet"}
# Resources of KEDA.
KEDA = "keda.sh/v1alpha1"

Resource = dict[str, Any]


@cache
def built(name: str) -> list[Resource]:
    """The resources of a folder, composed by kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        ["kubectl", "kustomize", str(DEPLOY / name)], capture_output=True, text=True, check=False, timeout=60
    )
    # kubectl prints warnings about deprecated fields.
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def of_kind(name: str, *kinds: str) -> dict[str, Resource]:
    return {found["metadata"]["name"]: found for found in built(name) if found["kind"] in kinds}


def containers(name: str) -> dict[str, Resource]:
    """All containers, by workload and container name."""
    return {
        f"{workload}/{container['name']}": container
        for workload, found in of_kind(name, *WORKLOADS).items()
        for container in found["spec"]["template"]["spec"]["containers"]
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ALL)
def test_fields_are_valid_for_kubernetes(name: str, version: str) -> None:
    for resource in built(name):
        if resource["apiVersion"] != KEDA:
            kubernetes_validate.validate(resource, version, strict=True)


def test_validation_detects_an_unknown_field() -> None:
    service = of_kind("managed", "Service")["api"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service | {"spec": service["spec"] | {"port": 1}}, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name", ALL)
def test_pods_satisfy_the_restricted_security_standard(name: str) -> None:
    for found in of_kind(name, *WORKLOADS).values():
        pod = found["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
            assert container["securityContext"] == confined | {"capabilities": {"drop": ["ALL"]}}
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", ALL)
def test_selectors_and_references_have_targets(name: str) -> None:
    """Pods for selectors, config maps and secrets for references; those of the load test may be in the system."""
    known = [*built(name), *([] if name in SYSTEMS else built("managed"))]
    labels = [found["spec"]["template"]["metadata"]["labels"] for found in known if found["kind"] in WORKLOADS]

    def finds(selector: dict[str, str]) -> bool:
        return any(selector.items() <= those.items() for those in labels)

    for found in built(name):
        for selector in re.findall(r"'(?:matchLabels|selector)': (\{'[^{}]*\})", str(found.get("spec"))):
            expected = yaml.safe_load(selector)
            is_namespace = set(expected) == {"kubernetes.io/metadata.name"}
            assert finds(expected) or is_namespace, (found["metadata"]["name"], expected)
    existing = {(found["kind"], found["metadata"]["name"]) for found in known}
    named = re.findall(r"'(configMap|secret|configMapRef|secretRef|secretKeyRef)': (\{[^}]*\})", str(built(name)))
    for how, text in named:
        kind = "Secret" if how.startswith("secret") else "ConfigMap"
        reference = yaml.safe_load(text)
        assert (kind, reference["name"]) in existing or reference.get("optional") is True
    for _, secret in re.findall(r"'key': '(\w+)', 'name': '([\w-]+)', 'parameter'", str(built(name))):
        assert ("Secret", secret) in existing


@pytest.mark.parametrize("name", SYSTEMS)
def test_configured_settings_exist(name: str) -> None:
    known = settings_named(JobSettings, ApiSettings, ServerSettings) | TELEMETRY | BUCKET
    known |= {"LOG_FORMAT", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    given = (
        of_kind(name, "ConfigMap")["settings"]["data"].keys() | of_kind(name, "Secret")["store"]["stringData"].keys()
    )
    assert {"REDIS_URL", "RESULTS_URL"} <= given <= known


@pytest.mark.parametrize("name", SYSTEMS)
def test_commands_are_those_of_the_compose_file(name: str) -> None:
    worker = containers(name)["worker/worker"]
    assert worker["args"] == [part.replace("${WORKERS:-2}", "2") for part in SERVICES["celery-worker"]["command"]]
    assert worker["livenessProbe"]["exec"]["command"] == SERVICES["celery-worker"]["healthcheck"]["test"][1:]
    # The API runs the default command of the image.
    assert containers(name)["api/api"].keys().isdisjoint({"command", "args"})


def test_load_test_runs_the_commands_of_the_compose_file() -> None:
    for service in ("locust", "locust-worker"):
        assert containers("loadtest")[f"{service}/locust"]["args"] == SERVICES[service]["command"]


def test_store_has_version_and_options_of_the_compose_file() -> None:
    """Except for the options about users, the password and replicas."""
    image = SERVICES["valkey"]["image"].removeprefix("${VALKEY_IMAGE:-").removesuffix("}")
    assert {containers("sentinel")[f"valkey/{name}"]["image"] for name in ("valkey", "sentinel")} == {image}
    script = (DEPLOY / "sentinel/start-valkey.sh").read_text(encoding="utf-8").replace("''", "")
    command = " ".join(SERVICES["valkey"]["command"][1:])
    for option in re.findall(r"--[a-z-]+ [^-\s]*", command):
        assert option in script or option.startswith("--aclfile "), option


@pytest.mark.parametrize("name", SYSTEMS)
def test_workers_scale_by_the_queues(name: str) -> None:
    scaled = of_kind(name, "ScaledObject")["worker"]["spec"]
    assert scaled["scaleTargetRef"]["name"] in of_kind(name, "Deployment")
    prefix = of_kind(name, "ConfigMap")["settings"]["data"]["KEY_PREFIX"]
    lists = {trigger["metadata"]["listName"] for trigger in scaled["triggers"]}
    assert lists == {f"{prefix}{queue}" for queue in messages.QUEUES}
    # A worker must run to recover lost segments.
    assert scaled["minReplicaCount"] >= 1
    # A number of replicas in the manifest would reset the autoscalers' at each deployment.
    assert "replicas" not in of_kind(name, "Deployment")["worker"]["spec"]
    assert "replicas" not in of_kind(name, "Deployment")["api"]["spec"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_keda_and_programs_use_the_same_store(name: str) -> None:
    secrets = of_kind(name, "Secret")
    url, keda = secrets["store"]["stringData"]["REDIS_URL"], secrets["store-for-keda"]["stringData"]
    scheme, password, host, port = re.fullmatch(r"(rediss?)://:([^@]+)@([\w.]+):(\d+)/0", url).groups()  # type: ignore[union-attr]
    assert keda["address"].startswith(host)
    assert keda["address"].endswith(f":{port}")
    assert keda["password"] == password
    tls = {
        trigger["metadata"].get("enableTLS") for trigger in of_kind(name, "ScaledObject")["worker"]["spec"]["triggers"]
    }
    assert tls == ({"true"} if scheme == "rediss" else {None})


@pytest.mark.parametrize("name", SYSTEMS)
def test_results_are_stored_in_a_bucket(name: str) -> None:
    assert of_kind(name, "ConfigMap")["settings"]["data"]["RESULTS_URL"].startswith("s3://")
