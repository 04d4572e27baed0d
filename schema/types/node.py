"""Relay's Node: everything that can be fetched again by its id."""

from __future__ import annotations

from typing import Annotated

import strawberry

JobId = Annotated[strawberry.ID, strawberry.argument(description="A job's id; any other text is an unknown one.")]
NodeId = Annotated[strawberry.ID, strawberry.argument(description="A node's id; any other text is an unknown one.")]


@strawberry.interface(description="Anything that can be fetched again by its id.")
class Node:
    """Anything that can be fetched again by its id."""

    id: strawberry.ID = strawberry.field(description="Unique among all nodes.")
