"""Fixtures that these tests share with the tests of other folders."""

from tests.gql.test_explorer import closed_port, copy
from tests.tasks.conftest import keys, recorder

__all__ = ["closed_port", "copy", "keys", "recorder"]
