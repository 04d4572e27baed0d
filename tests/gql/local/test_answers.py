"""The system counts as answering where everybody may ask, and where callers need a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gql.local import answers
from gql.local.errors import CannotRun

if TYPE_CHECKING:
    from tests.authenticated import AuthenticatedSystem
    from tests.conftest import System


async def test_a_worker_of_another_name_is_not_the_one(system: System) -> None:
    with pytest.raises(CannotRun, match="the worker has not been seen"):
        await answers.system(system.url, "another", seconds=0)


async def test_where_keys_are_asked_for_a_worker_was_seen(authenticated: AuthenticatedSystem) -> None:
    await answers.system(authenticated.system.url, "any", seconds=0)
