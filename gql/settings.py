"""Settings of the API process, read once by gql.app. Settings shared with workers are in tasks.settings."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from strawberry.http.websocket_origin import normalize_allowed_origins

from gql.auth.tokens import ASYMMETRIC_ALGORITHMS, TokenSettings
from schema.limits.settings import OperationLimits
from tasks.callers import CallerLimits

_LIMITS = OperationLimits()


class ApiSettings(BaseSettings):
    """Authentication, limits and linked services. Each field is an environment variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    production: bool = Field(
        default=False,
        description="Production mode: disables introspection, suggestions and the explorer, and hides error details",
    )
    queries_by_get: bool = Field(
        default=False,
        description="Also executes queries sent by GET, for HTTP caches. Mutations require POST",
    )
    authentication: Literal["", "none", "keys", "jwt", "keys,jwt"] = Field(
        "",
        description="Accepted credentials: `keys` (API keys), `jwt` (tokens) or `keys,jwt`. `none` allows access "
        "without any. Empty: as `none`, on the loopback address only",
    )
    jwt_issuer: str = Field("", description="URL of the token issuer. Required in the `iss` claim")
    jwt_audience: str = Field("", description="Name of this API at the issuer. Required in the `aud` claim")
    jwt_jwks_url: str = Field(
        "",
        pattern="^(https?://.*)?$",
        description="URL of the issuer's public keys (JWKS). Empty: read from the issuer's OpenID configuration",
    )
    jwt_algorithms: str = Field(
        "RS256,ES256,EdDSA", description="List of signature algorithms accepted in tokens. Asymmetric ones only"
    )
    max_submissions_per_minute: int = Field(
        600, ge=1, description="Maximum submissions and retries per minute for one caller"
    )
    max_open_jobs_per_caller: int = Field(
        100, ge=1, le=10_000, description="Maximum queued and running jobs of one caller"
    )
    max_open_count_per_caller: int = Field(
        10**9,
        ge=1,
        le=10**13,
        description="Maximum primes requested by the queued and running jobs of one caller together",
    )
    max_subscriptions_per_caller: int = Field(
        200, ge=1, description="Maximum open streams of one caller in each API process"
    )
    max_page_size: int = Field(1_000, ge=1, le=10_000, description="Maximum items on one page of a connection")
    max_wait_ms: int = Field(
        30_000, ge=0, le=300_000, description="Milliseconds. Maximum for `waitMs`, and for `Prefer: wait`"
    )
    execution_seconds: float = Field(
        10, gt=0, le=600, description="Seconds until a query or mutation fails with TIMEOUT, on top of MAX_WAIT_MS"
    )
    max_body_bytes: int = Field(
        262_144, ge=1_024, description="Bytes. Maximum size of a request body. Larger ones are refused with 413"
    )
    max_arriving_requests: int = Field(
        500,
        ge=10,
        description="Maximum connections with an incomplete request in each API process. Above it, the oldest is "
        "closed",
    )
    arrival_seconds: float = Field(
        20, gt=0, le=600, description="Seconds until a connection with an incomplete request is closed"
    )
    max_document_length: int = Field(
        _LIMITS.max_document_length, ge=256, description="Most characters in a GraphQL document"
    )
    max_tokens: int = Field(_LIMITS.max_tokens, ge=10, description="Most tokens in a document: words, brackets, values")
    max_operations: int = Field(_LIMITS.max_operations, ge=1, description="Most operations in a document")
    max_depth: int = Field(_LIMITS.max_depth, ge=1, le=100, description="Deepest nesting of fields, fragments included")
    max_selections: int = Field(
        _LIMITS.max_selections, ge=1, description="Most fields and fragments, each counted wherever it is spread"
    )
    max_repeats: int = Field(
        _LIMITS.max_repeats, ge=1, description="Most times that a name is selected with fields of its own in one place"
    )
    max_root_fields: int = Field(_LIMITS.max_root_fields, ge=1, description="Most fields of an operation itself")
    max_aliases: int = Field(_LIMITS.max_aliases, ge=0, description="Most aliases, counted likewise")
    max_directives: int = Field(_LIMITS.max_directives, ge=0, description="Most directives, counted likewise")
    max_cost: int = Field(
        _LIMITS.max_cost,
        ge=100,
        description="Most values an answer may have; page sizes multiply, fields that ask the store count 10",
    )
    max_list_items: int = Field(
        _LIMITS.max_list_items, ge=1, description="Most elements of a list in arguments and variables"
    )
    max_input_depth: int = Field(
        _LIMITS.max_input_depth, ge=1, description="Deepest nesting of arguments and variables"
    )
    max_input_values: int = Field(_LIMITS.max_input_values, ge=1, description="Most values in all variables together")
    max_subscriptions_per_connection: int = Field(100, ge=1, description="Maximum open operations on one WebSocket")
    allowed_origins: str = Field(
        "",
        description="List of other origins whose pages may send requests and open WebSockets, e.g. "
        "`https://a.example,https://b.example`",
    )
    trusted_documents: Path | None = Field(
        None, description="Path of a JSON file with the documents that clients can execute by `documentId`"
    )
    trusted_documents_only: bool = Field(
        default=False, description="Refuses documents that are not in TRUSTED_DOCUMENTS"
    )
    heartbeat_seconds: float = Field(
        10, gt=0, le=60, description="Seconds between heartbeats on an event stream without events"
    )
    drain_seconds: float = Field(2, ge=0, le=60, description="Seconds to wait for streams to complete at shutdown")
    grafana_url: str = Field("http://localhost:3000", description="URL of Grafana, for the link on the front page")
    metrics_url: str = Field(
        "http://localhost:8428", description="URL of VictoriaMetrics, for the link on the front page"
    )
    locust_url: str = Field("http://localhost:8089", description="URL of Locust, for the link on the front page")

    @field_validator("allowed_origins")
    @classmethod
    def _validate_origins(cls, value: str) -> str:
        normalize_allowed_origins(_split(value))
        return value

    @field_validator("jwt_algorithms")
    @classmethod
    def _validate_algorithms(cls, value: str) -> str:
        if not _split(value) or not ASYMMETRIC_ALGORITHMS.issuperset(_split(value)):
            raise ValueError(f"must be a list of {', '.join(sorted(ASYMMETRIC_ALGORITHMS))}")
        return value

    @model_validator(mode="after")
    def _require_issuer_and_audience(self) -> Self:
        if "jwt" in self.credential_kinds and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError(f"AUTHENTICATION is {self.authentication}: set JWT_ISSUER and JWT_AUDIENCE")
        return self

    @property
    def credential_kinds(self) -> frozenset[str]:
        """The accepted kinds of credentials, `keys` and `jwt`; empty when authentication is disabled."""
        return frozenset(_split(self.authentication)) - {"none"}

    @property
    def caller_limits(self) -> CallerLimits:
        """Limits of each authenticated caller."""
        return CallerLimits(
            submissions_per_minute=self.max_submissions_per_minute,
            open_jobs=self.max_open_jobs_per_caller,
            open_count=self.max_open_count_per_caller,
        )

    @property
    def tokens(self) -> TokenSettings:
        """What a token must match."""
        return TokenSettings(
            issuer=self.jwt_issuer,
            audience=self.jwt_audience,
            jwks_url=self.jwt_jwks_url,
            algorithms=tuple(_split(self.jwt_algorithms)),
        )

    @property
    def origins(self) -> frozenset[str]:
        """Allowed origins, as browsers send them."""
        return normalize_allowed_origins(_split(self.allowed_origins))

    @property
    def operation_limits(self) -> OperationLimits:
        """Limits of one GraphQL operation."""
        return OperationLimits(
            max_document_length=self.max_document_length,
            max_tokens=self.max_tokens,
            max_depth=self.max_depth,
            max_selections=self.max_selections,
            max_repeats=self.max_repeats,
            max_root_fields=self.max_root_fields,
            max_aliases=self.max_aliases,
            max_directives=self.max_directives,
            max_operations=self.max_operations,
            max_cost=self.max_cost,
            max_list_items=self.max_list_items,
            max_input_depth=self.max_input_depth,
            max_input_values=self.max_input_values,
            max_page_size=self.max_page_size,
            execution_seconds=self.max_wait_ms / 1000 + self.execution_seconds,
        )


def _split(text: str) -> list[str]:
    return [part for part in map(str.strip, text.split(",")) if part]
