"""Execution of validated documents, on every transport and without Strawberry's extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from graphql import ExecutionResult

from schema.context import Context
from schema.limits.settings import OperationLimits
from schema.schema import JobSchema, build_schema

if TYPE_CHECKING:
    from schema.limits.document_cache import ValidatedDocument

NO_SYSTEM: Any = None


def validated(schema: JobSchema, text: str) -> ValidatedDocument:
    document = schema.documents.validated(schema._schema, text)  # noqa: SLF001 - as in LimitsExtension
    assert document.errors == ()
    return document


def execute(schema: JobSchema, text: str, operation_name: str | None = None, **variables: Any) -> ExecutionResult:
    context = Context(NO_SYSTEM, OperationLimits(), None)
    result = schema.execute_validated(validated(schema, text), context, variables, operation_name)
    assert isinstance(result, ExecutionResult)
    return result


@pytest.mark.parametrize("name", ["First", "Second"])
def test_named_operation_of_a_validated_document_is_executed(name: str) -> None:
    result = execute(build_schema(), "query First { First: __typename } query Second { Second: __typename }", name)
    assert result == ExecutionResult({name: "Query"}, None)


def test_variables_that_do_not_fit_are_reported_without_executing() -> None:
    result = execute(build_schema(), "query ($id: ID!) { job(id: $id) { id } }")
    assert result.data is None
    [error] = result.errors or []
    assert error.message.startswith("Variable '$id' has invalid value")
