"""Submit a job and follow it with the gql package, over a WebSocket (graphql-transport-ws).

python -m venv .venv && .venv/bin/pip install --require-hashes -r requirements-gql.lock
.venv/bin/python follow_gql.py [address]

It needs its own environment, because the server's folder `gql/` has the name of the package: run it from this
folder, without the repository's root on PYTHONPATH.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from gql.transport.websockets import WebsocketsTransport

from gql import Client, gql

SUBMIT = """
mutation Submit($input: GeneratePrimesInput!) {
  generatePrimes(input: $input) {
    ... on GeneratePrimesAccepted { job { id } }
    ... on UserError { code message }
  }
}
"""
FOLLOW = """
subscription Follow($id: ID!) {
  jobUpdates(id: $id) {
    ... on JobUpdate { job { id status progress { done total } } }
    ... on UserError { code message }
  }
}
"""
PAGE = """
query Page($id: ID!) {
  job(id: $id) { id primes(first: 10) { values } }
}
"""


async def main(address: str = "http://127.0.0.1:8000") -> None:
    """Submit, follow to the end, print the result."""
    transport = WebsocketsTransport(
        url=f"{address.replace('http', 'ws', 1)}/graphql",
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        # The API key, if the server requires authentication.
        init_payload={"Authorization": f"Bearer {os.environ['PRIMES_KEY']}"} if "PRIMES_KEY" in os.environ else {},
    )
    async with Client(transport=transport) as session:
        submitted = await session.execute(gql(SUBMIT), variable_values={"input": {"count": 10}})
        follow = {"id": expected(submitted["generatePrimes"])["job"]["id"]}
        # The current state, then each newer one; the server completes the stream after the final one.
        async for data in session.subscribe(gql(FOLLOW), variable_values=follow):
            job = expected(data["jobUpdates"])["job"]
            print(job["status"], f"{job['progress']['done']}/{job['progress']['total']}")
        page = await session.execute(gql(PAGE), variable_values=follow)
        print(*page["job"]["primes"]["values"])


def expected(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return a result, or raise the failure that the union contains."""
    if "code" in outcome:
        raise RuntimeError(f"{outcome['code']}: {outcome['message']}")
    return outcome


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
