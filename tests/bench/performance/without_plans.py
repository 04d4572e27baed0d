"""Runs an API without compiled operations: graphql-core executes all documents."""

from __future__ import annotations

from gql.__main__ import main
from schema.execution.plan import DocumentPlans


def _none(self: DocumentPlans, name: str | None) -> None:
    del self, name


if __name__ == "__main__":
    DocumentPlans._operation = _none  # type: ignore[method-assign] # noqa: SLF001 - disabled from outside
    main()
