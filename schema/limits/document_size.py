"""How large a document is, its fragments counted wherever they are spread: one walk, linear in the text.

Validation itself is not linear, so this comes before it. Each fragment is walked once and remembered: a handful of
fragments that spread each other twice stand for millions of fields, and are refused for the price of a handful.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
)

from schema.limits.settings import INVALID_DOCUMENT, exceeded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphql import DocumentNode, SelectionNode, SelectionSetNode, ValueNode

    from schema.limits.settings import OperationLimits


class _Size(NamedTuple):
    """What a selection set amounts to when its fragments are spread."""

    levels: int = 0
    fields: int = 0
    selections: int = 0
    aliases: int = 0
    directives: int = 0
    # How often each name is selected with fields of its own: validation compares all of a name's with each other.
    repeats: Mapping[str, int] = MappingProxyType({})


def check_document(document: DocumentNode, limits: OperationLimits) -> None:
    """Let a document pass that is within its limits.

    Raises:
        LimitExceeded: it is not.
        GraphQLError: a fragment spreads itself.
    """
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) > limits.max_operations:
        raise exceeded("operations", limits.max_operations, len(operations))
    walk = _Walk(document, limits)
    for operation in operations:
        walk.check_operation(operation)
    # Also those that no operation uses: they are validated all the same.
    for name in walk.fragments:
        walk.fragment(name, 1)


class _Walk:
    def __init__(self, document: DocumentNode, limits: OperationLimits) -> None:
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._limits = limits
        self._known: dict[str, _Size] = {}
        self._open: set[str] = set()

    def check_operation(self, operation: OperationDefinitionNode) -> None:
        """Walk an operation, whose own fields have a limit of their own."""
        variables = operation.variable_definitions or ()
        for variable in variables:
            self._check_values([variable.default_value] if variable.default_value else [])
        own = len(operation.directives or ()) + sum(len(variable.directives or ()) for variable in variables)
        size = self._selection_set(operation.selection_set, 1)
        if size.directives + own > self._limits.max_directives:
            raise exceeded("directives", self._limits.max_directives, size.directives + own, operation)
        if size.fields > self._limits.max_root_fields:
            raise exceeded("root fields", self._limits.max_root_fields, size.fields, operation)

    def fragment(self, name: str, level: int) -> _Size:
        """The size of a fragment that is spread at a level; a fragment that does not exist has none."""
        if (known := self._known.get(name)) is not None:
            return known
        if name in self._open:
            message = f"Cannot spread fragment '{name}' within itself."
            raise GraphQLError(message, self.fragments[name], extensions={"code": INVALID_DOCUMENT})
        if (node := self.fragments.get(name)) is None:
            return _Size()
        self._open.add(name)
        size = self._selection_set(node.selection_set, level)
        self._open.remove(name)
        self._known[name] = size._replace(directives=size.directives + len(node.directives or ()))
        return self._known[name]

    def _selection_set(self, node: SelectionSetNode, level: int) -> _Size:
        """The size of a selection set; ends as soon as a limit is passed, so it never goes deeper than one."""
        limits = self._limits
        total = _Size()
        repeats: Counter[str] = Counter()
        for selection in node.selections:
            size = self._selection(selection, level)
            for name, times in size.repeats.items():
                repeats[name] += times
                if repeats[name] > limits.max_repeats:
                    raise exceeded("repeats", limits.max_repeats, repeats[name], selection)
            total = _Size(
                max(total.levels, size.levels),
                total.fields + size.fields,
                total.selections + size.selections,
                total.aliases + size.aliases,
                total.directives + size.directives,
                repeats,
            )
            if level + total.levels - 1 > limits.max_depth:
                raise exceeded("depth", limits.max_depth, level + total.levels - 1, selection)
            if total.selections > limits.max_selections:
                raise exceeded("selections", limits.max_selections, total.selections, selection)
            if total.aliases > limits.max_aliases:
                raise exceeded("aliases", limits.max_aliases, total.aliases, selection)
            if total.directives > limits.max_directives:
                raise exceeded("directives", limits.max_directives, total.directives, selection)
        return total

    def _selection(self, node: SelectionNode, level: int) -> _Size:
        if level > self._limits.max_depth:
            raise exceeded("depth", self._limits.max_depth, level, node)
        directives = node.directives or ()
        if len(directives) > self._limits.max_directives:
            raise exceeded("directives", self._limits.max_directives, len(directives), node)
        self._check_values(argument.value for directive in directives for argument in directive.arguments or ())
        if isinstance(node, FieldNode):
            self._check_values(argument.value for argument in node.arguments or ())
            inner = self._selection_set(node.selection_set, level + 1) if node.selection_set else _Size()
            name = (node.alias or node.name).value
            inner = inner._replace(
                fields=1,
                aliases=inner.aliases + (node.alias is not None),
                repeats={name: 1} if node.selection_set else {},
            )
        elif isinstance(node, FragmentSpreadNode):
            inner = self.fragment(node.name.value, level + 1)
        else:
            inner = self._selection_set(node.selection_set, level + 1)  # type: ignore[attr-defined]
        return inner._replace(
            levels=inner.levels + 1,
            selections=inner.selections + 1,
            directives=inner.directives + len(directives),
        )

    def _check_values(self, values: Iterable[ValueNode]) -> None:
        """Literals have the limits that variables have."""
        level = list(values)
        depth = 0
        while level := [value for value in level if isinstance(value, ListValueNode | ObjectValueNode)]:
            depth += 1
            if depth > self._limits.max_input_depth:
                raise exceeded("input depth", self._limits.max_input_depth, depth, level[0])
            for value in level:
                if isinstance(value, ListValueNode) and len(value.values) > self._limits.max_list_items:
                    raise exceeded("list items", self._limits.max_list_items, len(value.values), value)
            level = list(chain.from_iterable(map(_parts, level)))


def _parts(node: ValueNode) -> Iterable[ValueNode]:
    if isinstance(node, ObjectValueNode):
        return [field.value for field in node.fields]
    return node.values if isinstance(node, ListValueNode) else ()
