"""WebSockets of simulated users connect directly, as their HTTP requests do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtest.users.operations import OperationError
from loadtest.users.streams import Socket

if TYPE_CHECKING:
    from tests.conftest import System


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5h://127.0.0.1:1", "::"])
def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, system: System, name: str, proxy: str
) -> None:
    for exemptions in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(exemptions, raising=False)
    monkeypatch.setenv(name, proxy)
    socket = Socket(system.graphql, None)
    with pytest.raises(OperationError, match=r"^JobNotFound$"):
        list(socket.updates("00000000-0000-7000-8000-000000000000", None))
    socket.close()
