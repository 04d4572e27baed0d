"""Limits of documents: which documents they refuse, by which limit, and for how little work."""

from __future__ import annotations

import pytest

from schema.limits.settings import OperationLimits
from schema.schema import build_schema
from tests.schema.limits.operations import cheap, refusal


def chain(length: int, spreads: int) -> str:
    """Fragments that each spread the next one several times."""
    links = [f"fragment F{i} on Query {{ {f'...F{i + 1} ' * spreads} }}" for i in range(length)]
    return " ".join(["{ ...F0 }", *links, f"fragment F{length} on Query {{ __typename }}"])


def repeated(levels: int, width: int) -> str:
    """A selection set in which each field is selected several times, on each level."""
    return "{ id }" if levels == 0 else "{ " + f"retryOf {repeated(levels - 1, width)} " * width + "}"


EXPENSIVE_DOCUMENTS = [
    ("depth", "{ job(id: 1) { " + "retryOf { " * 25 + "id" + " }" * 25 + " } }"),
    ("selections", "{ limits { " + "maxCount " * 250 + "} }"),
    ("operations", " ".join(f"query Q{i} {{ __typename }}" for i in range(11))),
    ("cost", "{ jobs(first: 1000) { edges { node { primes(first: 1000) { values } } } } }"),
    # Many aliases.
    ("selections", "{ limits { " + " ".join(f"a{i}: maxCount" for i in range(251)) + " } }"),
    ("selections", "{ " + " ".join(f"a{i}: __typename" for i in range(251)) + " }"),
    ("cost", "{ " + " ".join(f"a{i}: __schema {{ types {{ name }} }}" for i in range(6)) + " }"),
    ("cost", "mutation { " + " ".join(f"a{i}: retryJob(id: 1) {{ __typename }}" for i in range(26)) + " }"),
    # Many root fields.
    ("selections", "{ " + "__typename " * 251 + "}"),
    ("selections", "{ ...F ...G } " + "".join(f"fragment {f} on Query {{ {'__typename ' * 125}}}" for f in "FG")),
    # Fields that validation compares in pairs.
    ("selections", "{ " + "limits { maxCount } " * 30 + "}"),
    ("selections", "{ system { " + "queue { queued } " * 148 + "} }"),
    ("selections", "{ job(id: 1) " + repeated(3, 5) + " }"),
    (
        "selections",
        " ".join(f"fragment F{i} on Query {{ limits {{ maxCount }} }}" for i in range(40))
        + "{ "
        + " ".join(f"...F{i}" for i in range(40))
        + " }",
    ),
    ("selections", "{ __typename } fragment Unused on SystemStats { " + "queue { queued } " * 148 + "}"),
    # Fragments that multiply.
    ("cost", chain(22, 2)),
    ("cost", chain(20, 5)),
    ("depth", chain(40, 1)),
    ("depth", chain(90, 2)),
    (
        "selections",
        "{ job(id: 1) { ...F0 } } fragment F9 on Job { id } "
        + " ".join(
            f"fragment F{i} on Job {{ a: retryOf {{ ...F{i + 1} }} b: retryOf {{ ...F{i + 1} }} }}" for i in range(9)
        ),
    ),
    ("depth", "{ job(id: 1) { ...F } } fragment F on Job { retryOf { ...F } }"),
    ("depth", "{ " + "... { " * 60 + "__typename" + " }" * 60 + " }"),
    # Lists in pages.
    ("cost", "{ jobs(last: 1000) { edges { node { " + "retryOf { id } " * 3 + "} } } }"),
    ("cost", "{ nodes(ids: [" + '"x" ' * 300 + "]) { ... on Job { primes { values } } } }"),
    ("cost", "subscription { a: primeStream(id: 1) { ... on PrimeBatch { " + "values " * 30 + "} } }"),
]


@pytest.mark.parametrize(("limit", "query"), EXPENSIVE_DOCUMENTS, ids=lambda text: text[:40])
async def test_document_beyond_a_limit_is_refused_with_the_limit_named(limit: str, query: str) -> None:
    extensions = await refusal(query)
    assert (extensions["code"], extensions["limit"]) == ("LIMIT_EXCEEDED", limit)


@pytest.mark.parametrize(
    "query",
    [
        "{" + " ".join(f"a{i}:limits{{maxCount}}" for i in range(1_000)) + "}",
        "{a" * 10_000 + "}" * 10_000,
        "{" + "a{" * 480 + "a" + "}" * 480 + "}",
        "{ limits { maxCount " + "@skip(if: false)" * 100_000 + " } }",
        "{ limits { maxCount " + "@include(if: true) " * 200 + "} }",
        "{ nodes(ids: " + "[" * 201 + "]" * 201 + ") { id } }",
        "# " + "x" * 1_000_000,
        "," * 20_000 + "{ __typename }",
        '{ job(id: "' + "x" * 20_000 + '") { id } }',
        "{ " + "__typename " * 1_001 + "}",
        "#\n" * 2_000 + "{ __typename }",
    ],
    ids=lambda text: text[:20],
)
async def test_document_beyond_the_limits_of_tokens_length_or_nesting_is_refused_by_the_parser(query: str) -> None:
    assert (await refusal(query))["code"] == "LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "query",
    [
        "{ limits { maxCount " + "@include(if: true) " * 31 + "} }",
        "{ limits { maxCount " + "@a " * 450 + "} }",
        "query " + "@skip(if: true) " * 31 + "{ __typename }",
        "query ($a: ID " + "@x " * 31 + ") { __typename }",
        "{ nodes(ids: " + "[" * 100 + "]" * 100 + ") { id } }",
        "{ " + " ".join(f"job(id: $a{i}) {{ id }}" for i in range(15)) + " }",
    ],
    ids=lambda text: text[:40],
)
async def test_many_directives_and_nested_literals_are_refused_by_validation(query: str) -> None:
    result = await cheap(query)
    assert {(error.extensions or {})["code"] for error in result.errors or []} == {"GRAPHQL_VALIDATION_FAILED"}


async def test_directives_within_the_token_limit_are_executed() -> None:
    result = await cheap("{ " + " ".join(f"a{i}: __typename @skip(if: true)" for i in range(95)) + " }")
    assert (result.errors, result.data) == (None, {})


@pytest.mark.parametrize("length", [1, 2, 50])
async def test_fragment_cycles_are_refused(length: int) -> None:
    links = [f"fragment F{i} on Query {{ ...F{(i + 1) % length} }}" for i in range(length)]
    found = await refusal(" ".join(["{ ...F0 }", *links]), build_schema(OperationLimits(max_depth=100)))
    assert found["code"] == "GRAPHQL_VALIDATION_FAILED"
