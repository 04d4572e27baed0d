"""A context gives access to the jobs of one caller, and to none before the caller is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schema.context import Context
from schema.limits.settings import OperationLimits
from schema.schema import build_schema
from tasks.callers import ANYONE, Caller

if TYPE_CHECKING:
    import pytest

ALICE = Caller("key:alice")


class FakeSystem:
    """Returns the caller in place of the caller's service."""

    def for_caller(self, caller: Caller) -> Caller:
        return caller


def context(caller: Caller | None) -> Context:
    system: Any = FakeSystem()
    return Context(system, OperationLimits(), caller)


def test_context_acts_for_its_caller() -> None:
    service: Any = context(ANYONE).service
    assert service == ANYONE


def test_authentication_binds_the_context_to_the_caller() -> None:
    access: Any = type("Session", (), {"caller": ALICE})()
    authenticated = context(None)
    authenticated.authenticate(access)
    service: Any = authenticated.service
    assert service == ALICE
    assert authenticated.access is access


async def test_operation_before_authentication_is_a_server_error(caplog: pytest.LogCaptureFixture) -> None:
    result = await build_schema().execute('{ job(id: "x") { id } }', context_value=context(None))
    [error] = result.errors or []
    assert (error.extensions or {})["code"] == "INTERNAL_SERVER_ERROR"
    assert "before its caller was authenticated" in caplog.text
