"""Composition of the application: middleware in order, and resources that start and stop with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


OUTERMOST_FIRST = [
    "HeadMiddleware",
    "SecurityHeadersMiddleware",
    "CORSMiddleware",
    "ServerErrorMiddleware",
    "LoopbackOnlyMiddleware",
    "TrustedHostMiddleware",
    "SameOriginMiddleware",
    "AuthenticationMiddleware",
    "BodyLimitMiddleware",
    "GraphQLFastPath",
]
OPTIONAL = {"CORSMiddleware", "LoopbackOnlyMiddleware", "AuthenticationMiddleware"}


@pytest.mark.parametrize(
    ("options", "enabled"),
    [
        ({}, {"LoopbackOnlyMiddleware"}),
        ({"allowed_origins": "https://a.example"}, {"CORSMiddleware", "LoopbackOnlyMiddleware"}),
        ({"authentication": "none"}, set()),
        ({"authentication": "keys"}, {"AuthenticationMiddleware"}),
    ],
)
def test_middleware_is_outermost_first(settings: JobSettings, options: dict[str, Any], enabled: set[str]) -> None:
    app = create_app(ApiSettings(**options), settings)
    names = [middleware.cls.__name__ for middleware in app.user_middleware]  # type: ignore[attr-defined]
    assert names == [name for name in OUTERMOST_FIRST if name not in OPTIONAL - enabled]
