"""What a client learns of errors: expected ones as they are, defects as one sentence; the log has the rest."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from graphql import GraphQLError
from strawberry.extensions import MaskErrors

if TYPE_CHECKING:
    from strawberry.types import ExecutionContext

log = logging.getLogger(__name__)

DEFECT_MESSAGE = "Unexpected error: it was logged, and is not the fault of the request."


def is_defect(error: GraphQLError) -> bool:
    """Whether an error is neither the document's fault nor an expected refusal."""
    return not isinstance(error.original_error, GraphQLError | None)


def mask_defects() -> MaskErrors:
    """The extension that hides defects; a new one for each operation."""
    return MaskErrors(should_mask_error=is_defect, error_message=DEFECT_MESSAGE)


def log_defects(errors: list[GraphQLError], context: ExecutionContext | None) -> None:
    """Log defects with their tracebacks. A client's mistakes are not news."""
    for error in filter(is_defect, errors):
        operation = context.operation_name if context else None
        log.error("operation %r failed at %s", operation, error.path, exc_info=error.original_error)
