"""docker-compose.yml against the schema that Compose itself reads it by."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped] # its types are a package of their own, for two calls
import pytest

from tests.e2e.definitions import module
from tests.test_compose import COMPOSE


@pytest.fixture(scope="module")
def schema() -> Any:
    file = module("github.com/compose-spec/compose-go/v2") / "schema/compose-spec.json"
    return json.loads(file.read_text(encoding="utf-8"))


def test_compose_knows_every_field(schema: Any) -> None:
    jsonschema.validate(COMPOSE, schema)


@pytest.mark.parametrize("spoilt", [{"healtcheck": {}}, {"ports": "8000"}, {"depends_on": {"valkey": "healthy"}}])
def test_a_field_that_compose_does_not_know_is_found(schema: Any, spoilt: dict[str, Any]) -> None:
    service = COMPOSE["services"]["api"] | spoilt
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(COMPOSE | {"services": COMPOSE["services"] | {"api": service}}, schema)
