"""The size of a document, with its fragments expanded. Checked before validation, whose time is not linear.

Validation compares each pair of fields that are merged into one (OverlappingFieldsCanBeMerged): 250 times
`queue { queued }` in one place fit into 1,000 tokens and take half a second. So the fields are grouped here as they are
merged, and a group of n fields with selections counts its n * (n - 1) / 2 pairs too. Counting stops at the limit, so
a few fragments that spread each other for millions of fields are refused at no more cost than a large document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
)

from schema.limits.settings import LimitExceededError

if TYPE_CHECKING:
    from graphql import DocumentNode, Node, SelectionSetNode

    from schema.limits.settings import OperationLimits


def check_document(document: DocumentNode, limits: OperationLimits) -> None:
    """Check the number of operations, the depth and the number of selections.

    Raises:
        LimitExceededError: one of them is beyond its limit.
    """
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) > limits.max_operations:
        raise LimitExceededError("operations", str(len(operations)), limits.max_operations)
    counter = _SelectionCounter(document, limits)
    for operation in operations:
        counter.count([_Selected(operation.selection_set, 1)])
    # Validation also looks at fragments that no operation uses.
    for fragment in counter.unused_fragments():
        counter.count([_Selected(fragment.selection_set, 1)])


class _Selected(NamedTuple):
    """A selection set, and the level of its selections: 1 for an operation's own."""

    node: SelectionSetNode
    level: int


class _SelectionCounter:
    def __init__(self, document: DocumentNode, limits: OperationLimits) -> None:
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._used: set[str] = set()
        self._limits = limits
        self._selections = 0

    def unused_fragments(self) -> list[FragmentDefinitionNode]:
        return [node for name, node in self._fragments.items() if name not in self._used]

    def count(self, merged: list[_Selected]) -> None:
        """Count the selections of sets that are merged, and those below them."""
        fields: dict[str, list[_Selected]] = {}
        expanded: set[str] = set()
        for selected in merged:
            self._collect(selected, fields, expanded)
        for group in fields.values():
            self.count(group)

    def _collect(self, selected: _Selected, fields: dict[str, list[_Selected]], expanded: set[str]) -> None:
        """Group the selections of fields by response name. As in validation and execution, a fragment counts once."""
        node, level = selected
        for selection in node.selections:
            if level > self._limits.max_depth:
                raise LimitExceededError("depth", f"at least {level}", self._limits.max_depth, selection)
            self._add(1, selection)
            if isinstance(selection, FieldNode):
                if selection.selection_set:
                    group = fields.setdefault((selection.alias or selection.name).value, [])
                    self._add(len(group), selection)
                    group.append(_Selected(selection.selection_set, level + 1))
            elif not isinstance(selection, FragmentSpreadNode):
                inner: SelectionSetNode = selection.selection_set  # type: ignore[attr-defined]
                self._collect(_Selected(inner, level + 1), fields, expanded)
            elif (name := selection.name.value) not in expanded and name in self._fragments:
                expanded.add(name)
                self._used.add(name)
                self._collect(_Selected(self._fragments[name].selection_set, level + 1), fields, expanded)

    def _add(self, number: int, node: Node) -> None:
        self._selections += number
        if self._selections > self._limits.max_selections:
            raise LimitExceededError("selections", f"at least {self._selections}", self._limits.max_selections, node)
