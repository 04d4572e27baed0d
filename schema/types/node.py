"""Relay's Node interface: objects that can be fetched by their id."""

from __future__ import annotations

from typing import Annotated

import strawberry

JobId = Annotated[
    strawberry.ID, strawberry.argument(description="Id of a job. Any other text is treated as an unknown id.")
]
NodeId = Annotated[
    strawberry.ID, strawberry.argument(description="Id of a node. Any other text is treated as an unknown id.")
]


@strawberry.interface(description="An object that can be fetched by its id.")
class Node:
    id: strawberry.ID = strawberry.field(description="Id that is unique among all nodes.")
