"""Composition of the application: middleware in order, and resources that start and stop with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gql.app import create_app
from gql.auth.api_keys import KeyStore
from gql.auth.authenticator import Authenticator
from gql.settings import ApiSettings
from gql.telemetry import ApiTelemetry
from tasks.api.feed import JobFeed
from tasks.api.janitor import ResultJanitor
from tasks.api.job_store import JobStore
from tasks.api.rate_limit import SubmissionRateLimiter
from tasks.service import JobSystem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Literal

    from tasks.settings import JobSettings

INNER_TO_OUTER = [
    (Authenticator, "stop"),
    (KeyStore, "close"),
    (JobSystem, "stop"),
    (ResultJanitor, "stop"),
    (JobFeed, "stop"),
    (SubmissionRateLimiter, "close"),
    (JobStore, "close"),
    (ApiTelemetry, "stop"),
]


@pytest.mark.parametrize("failing", [ResultJanitor, KeyStore, JobStore], ids=lambda kind: kind.__name__)
async def test_resource_that_fails_to_stop_keeps_no_other_from_stopping(
    monkeypatch: pytest.MonkeyPatch, settings: JobSettings, failing: type
) -> None:
    stopped = []

    def recording(kind: type, stop: Callable[[object], Awaitable[None]]) -> Callable[[object], Awaitable[None]]:
        async def recorded(self: object) -> None:
            stopped.append(kind)
            await stop(self)
            if kind is failing:
                raise OSError("not stopped")

        return recorded

    for kind, name in INNER_TO_OUTER:
        monkeypatch.setattr(kind, name, recording(kind, getattr(kind, name)))
    app = create_app(ApiSettings(authentication="keys"), settings)
    with pytest.raises(OSError, match="not stopped"):
        async with app.router.lifespan_context(app):
            assert stopped == []
    assert stopped == [kind for kind, _ in INNER_TO_OUTER]


@pytest.mark.parametrize(
    ("authentication", "loopback", "authenticated"),
    [("keys", [], ["AuthenticationMiddleware"]), ("none", [], []), ("", ["LoopbackOnlyMiddleware"], [])],
)
def test_middleware_is_outermost_first(
    settings: JobSettings, authentication: Literal["", "none", "keys"], loopback: list[str], authenticated: list[str]
) -> None:
    app = create_app(ApiSettings(authentication=authentication), settings)
    assert [middleware.cls.__name__ for middleware in app.user_middleware] == [  # type: ignore[attr-defined]
        "HeadMiddleware",
        "SecurityHeadersMiddleware",
        *loopback,
        "TrustedHostMiddleware",
        "SameOriginMiddleware",
        "ServerErrorMiddleware",
        *authenticated,
        "BodyLimitMiddleware",
        "GraphQLFastPath",
    ]
