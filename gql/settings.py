"""The API process's own settings. Read once, by gql.app; what it shares with workers is tasks.settings."""

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
    """How much one request may ask for, who may ask, and where the neighbours are. Each is an environment variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    production: bool = Field(
        default=False, description="No introspection, no suggestions, no explorer, and errors without detail"
    )
    queries_by_get: bool = Field(
        default=False, description="Answer queries by GET too, for caches; mutations never are"
    )
    authentication: Literal["", "none", "keys", "jwt", "keys,jwt"] = Field(
        "",
        description="Who may come in: `keys`, `jwt`, `keys,jwt`, or `none` to be open to all; empty: open, and on the "
        "loopback address only",
    )
    jwt_issuer: str = Field("", description="Tokens must be issued by this `iss`")
    jwt_audience: str = Field("", description="Tokens must be meant for this `aud`")
    jwt_jwks_url: str = Field(
        "",
        pattern="^(https?://.*)?$",
        description="Where the issuer's public keys are; empty: as its OpenID configuration says",
    )
    jwt_algorithms: str = Field(
        "RS256,ES256,EdDSA", description="Algorithms a token may be signed by; those of shared secrets are none of them"
    )
    max_submissions_per_minute: int = Field(
        600, ge=1, description="Most submissions and retries of a caller in a minute"
    )
    max_open_jobs_per_caller: int = Field(
        100, ge=1, le=10_000, description="Most jobs that a caller has queued and running"
    )
    max_open_count_per_caller: int = Field(
        10**9, ge=1, le=10**13, description="Most primes that these are asked for together"
    )
    max_subscriptions_per_caller: int = Field(
        200, ge=1, description="Most streams that a caller has open, in each API process"
    )
    max_page_size: int = Field(1_000, ge=1, le=10_000, description="Most elements in one page of any connection")
    max_wait_ms: int = Field(30_000, ge=0, le=300_000, description="Longest waitMs, and longest Prefer: wait")
    execution_seconds: float = Field(
        10, gt=0, le=600, description="A query or mutation is given up so long after the longest waitMs"
    )
    max_body_bytes: int = Field(262_144, ge=1_024, description="Largest request body; a larger one is refused unread")
    max_arriving_requests: int = Field(
        500, ge=10, description="Most connections whose request is not whole yet; of more the oldest is closed"
    )
    arrival_seconds: float = Field(
        20, gt=0, le=600, description="A connection is closed whose request is not whole so long after its beginning"
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
    max_subscriptions_per_connection: int = Field(
        100, ge=1, description="Most operations that are open on one WebSocket"
    )
    allowed_origins: str = Field(
        "",
        description="Other origins whose pages may send requests and open WebSockets, e.g. `https://a.example,https://b.example`",
    )
    trusted_documents: Path | None = Field(
        None, description="A JSON file: documents that clients may name by `documentId`"
    )
    trusted_documents_only: bool = Field(default=False, description="Refuse every document that is not in that file")
    heartbeat_seconds: float = Field(10, gt=0, le=60, description="A silent event stream sends a sign of life so often")
    drain_seconds: float = Field(2, ge=0, le=60, description="Streams get so long to end when the process is stopped")
    grafana_url: str = Field("http://localhost:3000", description="Linked from the front page")
    metrics_url: str = Field("http://localhost:8428", description="VictoriaMetrics, linked from the front page")
    locust_url: str = Field("http://localhost:8089", description="Linked from the front page")

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        normalize_allowed_origins(_parts(value))
        return value

    @field_validator("jwt_algorithms")
    @classmethod
    def _are_asymmetric(cls, value: str) -> str:
        if not _parts(value) or not ASYMMETRIC_ALGORITHMS.issuperset(_parts(value)):
            raise ValueError(f"must be of {', '.join(sorted(ASYMMETRIC_ALGORITHMS))}")
        return value

    @model_validator(mode="after")
    def _tokens_can_be_told_apart(self) -> Self:
        if "jwt" in self.credential_kinds and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError("AUTHENTICATION has jwt: JWT_ISSUER and JWT_AUDIENCE must be set")
        return self

    @property
    def credential_kinds(self) -> frozenset[str]:
        """The accepted kinds of credentials, `keys` and `jwt`; empty when authentication is disabled."""
        return frozenset(_parts(self.authentication)) - {"none"}

    @property
    def caller_limits(self) -> CallerLimits:
        """How much of the system one caller may have, where callers are told apart."""
        return CallerLimits(
            submissions_per_minute=self.max_submissions_per_minute,
            open_jobs=self.max_open_jobs_per_caller,
            open_count=self.max_open_count_per_caller,
        )

    @property
    def tokens(self) -> TokenSettings:
        """What a token must be."""
        return TokenSettings(
            issuer=self.jwt_issuer,
            audience=self.jwt_audience,
            jwks_url=self.jwt_jwks_url,
            algorithms=tuple(_parts(self.jwt_algorithms)),
        )

    @property
    def origins(self) -> frozenset[str]:
        """The origins allowed, as browsers write them."""
        return normalize_allowed_origins(_parts(self.allowed_origins))

    @property
    def operation_limits(self) -> OperationLimits:
        """The limits of one operation."""
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


def _parts(text: str) -> list[str]:
    return [part for part in map(str.strip, text.split(",")) if part]
