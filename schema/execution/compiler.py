"""Compiles an operation to closures, each from a resolved value to its form in the response.

Where a resolver is asynchronous, or one below it, a closure returns a coroutine. A selection awaits those of its fields
together, as graphql-core does, except for the fields of a mutation. graphql-core collects the fields, so that fragments
and conditions are gone when the operation is compiled.
"""

from __future__ import annotations

from contextlib import suppress
from operator import attrgetter
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationType,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FragmentDetails, collect_fields
from graphql.execution.executor import (
    Executor,
    default_field_resolver,
    default_type_resolver,
    invalid_return_type_error,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import Path as ResponsePath
from graphql.pyutils import gather_with_cancel, is_iterable
from strawberry import Info

from schema.execution.arguments import DEFINITION, NotCompilableError, compile_arguments
from schema.execution.run import catch_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from graphql import FragmentDefinitionNode, GraphQLResolveInfo, GraphQLSchema, OperationDefinitionNode
    from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
    from strawberry.types.field import StrawberryField

    from schema.execution.run import Execute, Path, Run
    from schema.execution.variables import Values


class _Code(NamedTuple):
    """A closure, and whether it can return a coroutine."""

    execute: Execute
    waits: bool


class _Use(NamedTuple):
    """A field as the operation uses it."""

    field: GraphQLField
    details: FieldDetailsList
    nodes: list[FieldNode]
    info: GraphQLResolveInfo[Any]

    @property
    def name(self) -> str:
        return f"{self.info.parent_type}.{self.info.field_name}"

    @property
    def null_error(self) -> str:
        return f"Cannot return null for non-nullable field {self.name}."


class Compiler:
    """Compiles one operation, for one set of values of the variables in @skip and @include."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
        conditions: Values,
        max_fields: int,
    ) -> None:
        # It executes nothing: it collects fields, and has the errors of values that do not have their types.
        self._executor: Executor[Any] = Executor(
            schema,
            fragments,
            {name: FragmentDetails(node) for name, node in fragments.items()},
            None,
            None,
            operation,
            VariableValues({}, dict(conditions)),
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
        )
        self._max_fields = max_fields
        self.fields = 0

    def compile(self) -> Execute:
        """The closure of the operation, from the root value to the data.

        Raises:
            NotCompilableError: the operation has something that plans do not have, or too many fields.
            GraphQLError: a condition is null.
        """
        executor, operation = self._executor, self._executor.operation
        root = executor.schema.get_root_type(operation.operation)
        if root is None or operation.directives:
            raise NotCompilableError("directives of the operation")
        fields = collect_fields(executor.schema, executor.fragments, executor.variable_values, root, operation)
        serially = operation.operation is OperationType.MUTATION
        return self._selection(root, fields.grouped_field_set, serially=serially).execute

    def _selection(self, parent: GraphQLObjectType, grouped: GroupedFieldSet, *, serially: bool = False) -> _Code:
        codes = {key: self._field(parent, key, details) for key, details in grouped.items()}
        fields = [(key, code.execute) for key, code in codes.items()]

        def execute(run: Run, source: object, path: Path) -> dict[str, Any]:
            return {key: field(run, source, (path, key)) for key, field in fields}

        def execute_together(run: Run, source: object, path: Path) -> Any:
            return self._together(((key, field(run, source, (path, key))) for key, field in fields), dict)

        async def execute_serially(run: Run, source: object, path: Path) -> dict[str, Any]:
            results: dict[str, Any] = {}
            for key, field in fields:
                result = field(run, source, (path, key))
                results[key] = await result if result.__class__ is CoroutineType else result
            return results

        if not any(code.waits for code in codes.values()):
            return _Code(execute, waits=False)
        return _Code(execute_serially if serially else execute_together, waits=True)

    def _together(self, completing: Iterable[tuple[Any, Any]], form: Callable[[dict[Any, Any]], Any]) -> Any:
        """The completed values by their keys, in a form. Coroutines are awaited together."""
        results: dict[Any, Any] = {}
        waiting: list[Any] = []
        try:
            for key, completed in completing:
                results[key] = completed
                if completed.__class__ is CoroutineType:
                    waiting.append(key)
        except Exception:
            if waiting:
                self._executor.settle_in_background([results[key] for key in waiting])
            raise
        return _awaited(results, waiting, form) if waiting else form(results)

    def _field(self, parent: GraphQLObjectType, key: str, details: FieldDetailsList) -> _Code:
        name = details[0].node.name.value
        self.fields += 1
        if self.fields > self._max_fields:
            raise NotCompilableError("too many fields")
        if name == "__typename":
            return _Code(lambda *_: parent.name, waits=False)
        if name not in parent.fields:
            raise NotCompilableError(name)
        field = parent.fields[name]
        nodes = [detail.node for detail in details]
        path = ResponsePath(None, key, parent.name)
        use = _Use(field, details, nodes, self._executor.build_resolve_info(field, nodes, parent, path))
        resolve = _resolver(use)
        is_async = use.field.extensions[DEFINITION].is_async and not use.field.subscribe
        complete, waits = self._completion(field.type, use)

        def execute(run: Run, source: object, path: Path) -> Any:
            return complete(run, resolve(run, source), path)

        async def execute_async(run: Run, resolved: Coroutine[Any, Any, Any], path: Path) -> Any:
            completed = complete(run, await resolved, path)
            return await completed if completed.__class__ is CoroutineType else completed

        def start(run: Run, source: object, path: Path) -> Any:
            return execute_async(run, resolve(run, source), path)

        nullable = not is_non_null_type(field.type)
        return _Code(catch_errors(start if is_async else execute, nodes, nullable=nullable), waits or is_async)

    def _completion(self, type_: GraphQLOutputType, use: _Use) -> _Code:
        """The closure from a field's value to its form in the response, by its type."""
        nullable = get_nullable_type(type_)
        if is_leaf_type(nullable):
            return _Code(_leaf(nullable, None if nullable is type_ else use.null_error), waits=False)
        if isinstance(type_, GraphQLNonNull):
            return _non_null(self._completion(type_.of_type, use), use)
        if isinstance(type_, GraphQLList):
            return self._list(type_, use)
        if isinstance(type_, GraphQLObjectType):
            return self._object(type_, use)
        return self._abstract(cast("GraphQLAbstractType", type_), use)

    def _object(self, type_: GraphQLObjectType, use: _Use) -> _Code:
        selection, waits = self._selection(
            type_, self._executor.collect_subfields(type_, use.details).grouped_field_set
        )
        own_class, is_type_of = type_.extensions[DEFINITION].origin, type_.is_type_of

        def complete(run: Run, value: object, path: Path) -> Any:
            if value is None:
                return None
            if value.__class__ is not own_class and is_type_of is not None and not is_type_of(value, use.info):
                raise invalid_return_type_error(type_, value, use.details)
            return selection(run, value, path)

        return _Code(complete, waits)

    def _abstract(self, type_: GraphQLAbstractType, use: _Use) -> _Code:
        """An interface or a union, whose type follows from the value's class. Strawberry finds that of a subclass."""
        executor, resolve_type = self._executor, type_.resolve_type or default_type_resolver
        codes = {possible: self._object(possible, use) for possible in executor.schema.get_possible_types(type_)}
        by_class = {possible.extensions[DEFINITION].origin: code.execute for possible, code in codes.items()}

        def complete(run: Run, value: object, path: Path) -> Any:
            if value is None:
                return None
            execute = by_class.get(value.__class__)
            if execute is None:
                name = resolve_type(value, use.info, type_)
                execute = codes[executor.ensure_valid_runtime_type(name, type_, use.details, use.info, value)].execute
            return execute(run, value, path)

        return _Code(complete, any(code.waits for code in codes.values()))

    def _list(self, type_: GraphQLList[Any], use: _Use) -> _Code:
        item, waits = self._completion(type_.of_type, use)
        complete_item = catch_errors(item, use.nodes, nullable=not is_non_null_type(type_.of_type))
        leaf = get_nullable_type(type_.of_type)
        serialize = leaf.coerce_output_value if is_leaf_type(leaf) else None

        def complete(run: Run, values: Any, path: Path) -> Any:
            if values is None:
                return None
            if not is_iterable(values):
                raise GraphQLError(f"Expected Iterable, but did not find one for field '{use.name}'.")
            if serialize and values.__class__ is list and (leaves := _serialized(values, serialize)) is not None:
                return leaves
            items = ((index, complete_item(run, value, (path, index))) for index, value in enumerate(values))
            return self._together(items, _list_of_values) if waits else [item for _, item in items]

        return _Code(complete, waits)


def _resolver(use: _Use) -> Callable[[Run, Any], Any]:
    """The function from the value around a field to what its resolver returns, or to the attribute it has."""
    field: StrawberryField = use.field.extensions[DEFINITION]
    if use.field.subscribe is not None:
        return lambda _, event: event
    if field.extensions:
        raise NotCompilableError(f"extensions of {use.name}")
    if field.base_resolver is None:
        read = attrgetter(field.python_name)
        return lambda _, source: read(source)
    resolver = field.base_resolver
    if resolver.parent_parameter or resolver.root_parameter:
        raise NotCompilableError(f"parameters of {use.name}")
    function = cast("Callable[..., Any]", resolver.wrapped_func)
    has_self, info = bool(resolver.self_parameter), resolver.info_parameter
    arguments = compile_arguments(use.field, use.details[0].node)

    def resolve(run: Run, source: object) -> Any:
        named = arguments(run.variables)
        if info is not None:
            # Resolvers use the context of their info only.
            named = {**named, info.name: Info(run, field)}  # type: ignore[arg-type]
        return function(source, **named) if has_self else function(**named)

    return resolve


def _non_null(code: _Code, use: _Use) -> _Code:
    complete, waits = code

    def complete_non_null(run: Run, value: object, path: Path) -> Any:
        if value is None:
            raise TypeError(use.null_error)
        return complete(run, value, path)

    return _Code(complete_non_null, waits)


def _leaf(type_: GraphQLLeafType, null_error: str | None) -> Execute:
    serialize = type_.coerce_output_value

    def complete(_: Run, value: object, __: Path) -> Any:
        if value is None:
            if null_error is not None:
                raise TypeError(null_error)
            return None
        # graphql-core has the error for a value without a form in the response.
        return Executor.complete_leaf_value(type_, value) if (found := serialize(value)) is None else found

    return complete


def _serialized(values: Any, serialize: Callable[[Any], Any]) -> list[Any] | None:
    """All leaves of a list at once. None if one is null or has no form in the response, for the path of its error."""
    with suppress(Exception):
        leaves = list(map(serialize, values))
        return None if None in leaves else leaves
    return None


def _list_of_values(results: dict[int, Any]) -> list[Any]:
    return list(results.values())


async def _awaited(results: dict[Any, Any], waiting: list[Any], form: Callable[[dict[Any, Any]], Any]) -> Any:
    if len(waiting) == 1:
        results[waiting[0]] = await results[waiting[0]]
    else:
        results.update(zip(waiting, await gather_with_cancel(*(results[key] for key in waiting)), strict=True))
    return form(results)
