"""The requests that the load generator sends, for this system and for the naive one."""

from __future__ import annotations

import json

from tests.bench.performance.load import Request, get, post

TINY = 10

_SUBMIT = """mutation Submit%s($input: GeneratePrimesInput!) { generatePrimes(input: $input) {
    ... on GeneratePrimesAccepted { job { id } } ... on UserError { code message }
} }"""
_NAIVE_SUBMIT = "mutation Submit%s($count: Int!) { generatePrimes(count: $count) { id } }"
_FIELDS = {
    "status": "query ($id: ID!) { job(id: $id) { status } }",
    "page": "query ($id: ID!) { job(id: $id) { primes(first: 1000) { values } } }",
}
_NAIVE_FIELDS = _FIELDS | {"page": "query ($id: ID!) { job(id: $id) { primes(first: 1000) } }"}

# A response with an id: the job was accepted.
_ACCEPTED = b'"id"'


def payload(*, naive: bool, name: str = "") -> dict[str, object]:
    """A submission as GraphQL over HTTP and over WebSocket sends it."""
    if naive:
        return {"query": _NAIVE_SUBMIT % name, "variables": {"count": TINY}}
    return {"query": _SUBMIT % name, "variables": {"input": {"count": TINY}}}


def submit(*, naive: bool = False) -> Request:
    """The same document with variables each time."""
    return _constant(post("/graphql", _encode(payload(naive=naive))), _ACCEPTED)


def submit_new_document(*, naive: bool = False) -> Request:
    """A document that differs each time, so that it is parsed, validated and not in any cache."""
    before, _, after = post("/graphql", _encode(payload(naive=naive, name="_________"))).partition(b"_________")
    return Request(lambda number: b"%b%09d%b" % (before, number, after), _ACCEPTED)


def submit_rest() -> Request:
    """Both systems have the same REST endpoints."""
    return _constant(post(f"/generate?n={TINY}", b""), b'"request_id"')


def no_operation() -> Request:
    return _constant(post("/graphql", _encode({"query": "{ __typename }"})), b'"__typename"')


def read(what: str, job_id: str, *, naive: bool = False) -> Request:
    """The status of a job, or a page of 1,000 of its primes."""
    query = (_NAIVE_FIELDS if naive else _FIELDS)[what]
    return _constant(post("/graphql", _encode({"query": query, "variables": {"id": job_id}})), b'"job"')


def path(address: str) -> Request:
    return _constant(get(address))


def floor() -> Request:
    """A submission; the floors ignore what it is."""
    return submit()


def _constant(data: bytes, expected: bytes = b"") -> Request:
    return Request(lambda _: data, expected)


def _encode(value: object) -> bytes:
    return json.dumps(value).encode()
