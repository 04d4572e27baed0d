"""docker-compose.yml, validated against the schema that Compose publishes and uses."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped] # its types are a separate package, not worth it for two calls
import pytest

from tests.e2e.deployment.published_schemas import go_module
from tests.test_compose import COMPOSE


@pytest.fixture(scope="module")
def schema() -> Any:
    file = go_module("github.com/compose-spec/compose-go/v2") / "schema/compose-spec.json"
    return json.loads(file.read_text(encoding="utf-8"))


def test_compose_file_matches_the_published_schema(schema: Any) -> None:
    jsonschema.validate(COMPOSE, schema)


@pytest.mark.parametrize("broken", [{"healtcheck": {}}, {"ports": "8000"}, {"depends_on": {"valkey": "healthy"}}])
def test_unknown_or_invalid_field_is_rejected(schema: Any, broken: dict[str, Any]) -> None:
    service = COMPOSE["services"]["api"] | broken
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(COMPOSE | {"services": COMPOSE["services"] | {"api": service}}, schema)
