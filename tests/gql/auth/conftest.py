"""An OpenID provider for each test that needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gql.auth.openid_provider import running_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gql.auth.openid_provider import Provider


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as found:
        yield found
