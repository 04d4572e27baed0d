"""One execution of a plan, and how its values fail.

Errors and nulls are as in graphql-core: a value that fails is null, or fails the value around it if it must not be
null. An error below a value that has failed already is dropped.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeAlias

from graphql import located_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from graphql import FieldNode, GraphQLError

    from schema.execution.variables import Values

# The place of a value in the response: the place of the value around it, and a key or index. None: the response.
Path: TypeAlias = "tuple[Path, str | int] | None"

# From what is resolved to its form in the response, which can be a coroutine.
Execute: TypeAlias = "Callable[[Run, Any, Path], Any]"


class Run:
    """One execution of an operation. It is the raw info in a resolver's info, which uses its context only."""

    __slots__ = ("_failed", "context", "errors", "variables")

    def __init__(self, context: object, variables: Values) -> None:
        self.context = context
        self.variables = variables
        self.errors: list[GraphQLError] = []
        self._failed: set[Path] = set()

    def add_error(self, error: GraphQLError, path: Path) -> None:
        """Record the error of a value, which is null now."""
        around = path
        while around is not None:
            if around in self._failed:
                return
            around = around[0]
        if None not in self._failed:
            self._failed.add(path)
            self.errors.append(error)


def catch_errors(execute: Execute, nodes: Collection[FieldNode], *, nullable: bool) -> Execute:
    """A function whose errors become errors of the response, each at its field in the document and its path."""

    def fail(run: Run, error: Exception, path: Path) -> None:
        located = located_error(error, nodes, _keys(path))
        if not nullable:
            raise located
        run.add_error(located, path)

    async def wait(run: Run, completing: Coroutine[Any, Any, Any], path: Path) -> Any:
        try:
            return await completing
        except Exception as error:
            return fail(run, error, path)

    def execute_safely(run: Run, value: object, path: Path) -> Any:
        try:
            completed = execute(run, value, path)
        except Exception as error:
            return fail(run, error, path)
        return wait(run, completed, path) if completed.__class__ is CoroutineType else completed

    return execute_safely


def _keys(path: Path) -> list[str | int]:
    keys: list[str | int] = []
    while path is not None:
        path, key = path
        keys.append(key)
    return keys[::-1]
