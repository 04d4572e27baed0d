"""Fixtures of tests that start no process."""

from tests.gql.test_explorer import closed_port, copy
from tests.tasks.conftest import keys, recorder

__all__ = ["closed_port", "copy", "keys", "recorder"]
