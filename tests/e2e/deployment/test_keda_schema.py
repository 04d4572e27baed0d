"""The resources of deploy/ for KEDA, validated against the schemas that KEDA publishes."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped] # its types are a separate package, not worth it for two calls
import pytest
import yaml

from tests.e2e.deployment.published_schemas import go_module
from tests.test_deploy import KEDA, SYSTEMS, built


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """The schemas of KEDA's resources, by kind."""
    files = (go_module("github.com/kedacore/keda/v2") / "config/crd/bases").glob("keda.sh_*.yaml")
    specs = [yaml.safe_load(file.read_text(encoding="utf-8"))["spec"] for file in files]
    return {
        spec["names"]["kind"]: without_unknown_fields(version["schema"]["openAPIV3Schema"])
        for spec in specs
        for version in spec["versions"]
    }


def without_unknown_fields(schema: Any) -> Any:
    """A schema that rejects fields that it does not name, which a cluster would drop silently."""
    if isinstance(schema, list):
        return [without_unknown_fields(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: without_unknown_fields(part) for name, part in schema.items()}
    # The schema of metadata names no fields.
    names_all_fields = "properties" in parts and "additionalProperties" not in parts and parts.get("type") == "object"
    return parts | {"additionalProperties": False} if names_all_fields else parts


@pytest.mark.parametrize("name", SYSTEMS)
def test_keda_resources_match_the_published_schemas(schemas: dict[str, Any], name: str) -> None:
    resources = [resource for resource in built(name) if resource["apiVersion"] == KEDA]
    assert {resource["kind"] for resource in resources} == {"ScaledObject", "TriggerAuthentication"}
    for resource in resources:
        jsonschema.validate(resource, schemas[resource["kind"]])
        with pytest.raises(jsonschema.ValidationError, match="unheard"):
            jsonschema.validate(resource | {"spec": resource["spec"] | {"unheard": 1}}, schemas[resource["kind"]])
