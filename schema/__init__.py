"""The GraphQL schema: translates between clients and tasks.service, and knows nothing of HTTP.

`python -m schema` prints it; the printed form is committed as schema/schema.graphql.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, ValidationCache
from strawberry.schema.config import StrawberryConfig

from schema.job import Job
from schema.masking import log_defects, mask_defects
from schema.mutation import Mutation
from schema.parsing import CachedParser
from schema.query import Query
from schema.rules import OneSubmission
from schema.scalars import SCALARS
from schema.subscription import Subscription
from schema.telemetry import OperationTelemetry, note_errors

if TYPE_CHECKING:
    from graphql import GraphQLError
    from strawberry.types import ExecutionContext

# Far above any hand-written operation; what is longer is refused by the lexer, before it costs anything.
MAX_TOKENS = 1_000

# Distinct documents whose parsed and validated forms are kept. Clients send few, over and over.
CACHED_DOCUMENTS = 256


class JobSchema(strawberry.Schema):
    """The schema with its own way of logging: clients' mistakes are not logged as errors."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log what is a defect, and remember that there were errors."""
        log_defects(errors, execution_context)
        note_errors(errors)


def build_schema() -> JobSchema:
    """The schema as it is served."""
    return JobSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Job],
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=[
            OperationTelemetry,
            lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
            lambda: AddValidationRules([OneSubmission]),
            lambda: CachedParser(maxsize=CACHED_DOCUMENTS),
            lambda: ValidationCache(maxsize=CACHED_DOCUMENTS),
            mask_defects,
        ],
    )
