"""Execution of validated documents, on every transport and without Strawberry's extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from graphql import ExecutionResult
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.context import Context
from schema.limits.settings import OperationLimits
from schema.schema import JobSchema, build_schema
from tasks.callers import ANYONE
from tests.schema.execution.system import FakeSystem

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


@pytest.fixture
def _only_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, _: object = None) -> None:
        raise AssertionError(f"{self} would execute the operation")

    monkeypatch.setattr(StrawberryGraphQLCoreExecutionContext, "execute_operation", refuse)


@pytest.mark.usefixtures("_only_plans")
@pytest.mark.parametrize(
    "text",
    [
        'query Q ($id: ID! = "running") { job(id: $id) { version } }',
        'mutation { cancelJob(id: "running") { ... on CancelJobAccepted { job { version } } } }',
        'subscription { jobUpdates(id: "running") { ... on JobUpdate { job { version } } } }',
    ],
)
async def test_each_transport_executes_plans(text: str) -> None:
    system: Any = FakeSystem()
    results = await build_schema().stream(text, context_value=Context(system, OperationLimits(), ANYONE))
    result: Any = await anext(results)
    assert result.errors is None
    assert "'version': 5" in str(result.data)
    await results.aclose()


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{ __schema { queryType { name } } }", {}),
        ('{ limits { maxCount } __type(name: "Job") { name } }', {}),
        ("query ($c: Boolean! = true) { __typename @skip(if: $c) }", {"c": None}),
        ("query ($c: Boolean!) { __typename @skip(if: $c) }", {"c": 1}),
        ("query ($f: Int) { jobs(first: $f) { totalCount } }", {"f": "1"}),
        ("query ($id: ID!) { job(id: $id) { id } }", {}),
    ],
)
def test_graphql_core_executes_what_plans_do_not_have(text: str, variables: dict[str, Any]) -> None:
    assert validated(build_schema(), text).plans.execute(None, variables, None) is None


def test_plans_of_a_document_have_a_bounded_number_of_fields() -> None:
    many = " ".join(f"a{number}: __typename" for number in range(100))
    text = f"query ($b: Boolean!, $c: Boolean!) {{ {many} b: __typename @skip(if: $b) c: __typename @skip(if: $c) }}"
    plans = validated(build_schema(), text).plans
    planned = [
        plans.execute(None, {"b": b, "c": c}, None) is not None
        for b, c in ((True, True), (False, False), (False, True), (True, True))
    ]
    assert planned == [True, True, False, True]
