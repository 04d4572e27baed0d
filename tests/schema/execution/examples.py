"""What plans do: one operation each. All of them have a plan."""

from __future__ import annotations

from tests.schema.execution.operations import Operation

EXAMPLES = {
    "aliases": Operation('{ a: job(id: "running") { x: id y: id } b: limits { maxCount } __typename }'),
    "merged fields": Operation(
        """{ ...F job(id: "retry") { retryOf { status } } }
        fragment F on Query { job(id: "retry") { isFinal createdAt progress { ratio } retryOf { id start } } }"""
    ),
    "fragments on interfaces": Operation(
        '{ node(id: "queued") { __typename ... on Node { id } ... on Job { version } ... { id } } }'
    ),
    "true conditions": Operation(
        "query ($c: Boolean!) { limits { maxCount @skip(if: $c) maxPageSize @include(if: $c) } }", {"c": True}
    ),
    "false conditions": Operation(
        "query ($c: Boolean = false) { limits { maxCount @skip(if: $c) ... @include(if: $c) { maxPageSize } } }"
    ),
    "constant conditions": Operation(
        "{ limits { maxCount @skip(if: true) maxStart @include(if: false) maxPageSize } }"
    ),
    "defaults of variables": Operation(
        'query ($f: Int = 2, $i: ID! = "succeeded") { job(id: $i) { primes(first: $f) { values } } }'
    ),
    "defaults of arguments": Operation(
        'query ($w: Int, $f: Int) { job(id: "succeeded", waitMs: 0) { primes(first: $f, offset: $w) { offset } } }'
    ),
    "null for a variable": Operation(
        'query ($f: Int) { job(id: "succeeded") { primes(first: $f, offset: 3) { values } } }', {"f": None}
    ),
    "null where an argument must not be null": Operation(
        'query ($w: Int = 5) { limits { maxCount } job(id: "running", waitMs: $w) { id } }', {"w": None}
    ),
    "input object": Operation(
        """mutation ($i: GeneratePrimesInput!) {
            generatePrimes(input: $i) { ... on GeneratePrimesAccepted { outcome job { count } } }
        }""",
        {"i": {"count": 4, "start": "11"}},
    ),
    "variables in an input object": Operation(
        """mutation ($n: Int!, $k: String) {
            generatePrimes(input: {count: $n, idempotencyKey: $k}) { ... on ValidationError { issues { path min } } }
        }""",
        {"n": 0},
    ),
    "enums in an input object": Operation(
        """{ jobs(first: 2, filter: {statuses: [RUNNING, FAILED], createdAfter: "2026-01-31T12:00:00Z"}) {
            edges { cursor node { id } }
        } }"""
    ),
    "members of a union": Operation(
        """mutation { a: cancelJob(id: "finished") { ...F } b: retryJob(id: "full") { ...F } }
        fragment F on UserError {
            code message ... on JobAlreadyFinished { job { id } } ... on QueueFull { queue { queued } }
        }"""
    ),
    "no member of the union": Operation('mutation { cancelJob(id: "invalid") { __typename } }'),
    "mutations one after the other": Operation(
        'mutation { a: cancelJob(id: "queued") { __typename } b: cancelJob(id: "running") { __typename } }'
    ),
    "queries at once": Operation(
        """{
            a: job(id: "queued") { retryOf { id } }
            b: job(id: "retry") { retryOf { id } result { at(index: 3) } }
            system { at }
        }"""
    ),
    "errors of resolvers": Operation(
        '{ a: job(id: "bug") { id } b: job(id: "unavailable") { id } c: job(id: "zero") { progress { ratio } } }'
    ),
    "null where a field must not be null": Operation(
        '{ nodes(ids: ["running", "null", "unknown"]) { ... on Job { id createdAt } } }'
    ),
    "error in a list": Operation("{ system { workers { name concurrency } } }"),
    "errors of leaves": Operation(
        """{
            a: job(id: "large") { queuePosition }
            b: job(id: "text") { finishedAt result { first } }
            c: job(id: "text") { start }
        }"""
    ),
    "error below an error": Operation(
        """{
            a: job(id: "large retry") { retryOf { id } version }
            b: job(id: "retry") { retryOf { retryOf { id } result { primes { values } at(index: 1) } } }
            system { at }
        }"""
    ),
    "refused argument": Operation('{ job(id: "running") { id primes(first: -1) { values } } limits { maxCount } }'),
    "primes": Operation(
        """{ job(id: "succeeded") {
            primes(first: 100) { values edges { cursor node { index value } } pageInfo { endCursor } }
        } }"""
    ),
}
