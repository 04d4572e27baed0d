"""Settings of the API process, read once by gql.app. Settings shared with workers are in tasks.settings."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, HttpUrl, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette._utils import parse_host_header
from strawberry.http.websocket_origin import normalize_allowed_origins

from gql.auth.tokens import ASYMMETRIC_ALGORITHMS, TokenSettings
from schema.limits.settings import OperationLimits
from tasks.callers import CallerLimits


def _check_web_url(value: str, subject: str = "") -> str:
    try:
        url = HttpUrl(value)
    except ValidationError:
        url = None
    if url is None or not value.isprintable() or " " in value:
        raise ValueError(f"{subject}must be an http:// or https:// URL")
    return value


# Kept as it was written, since an issuer is compared with the text in tokens.
WebUrl = Annotated[str, AfterValidator(lambda value: value and _check_web_url(value))]

# The fields NAME_url have their addresses for browsers.
_LINKED_SERVICES = ("grafana", "metrics", "traces", "locust")


class ApiSettings(OperationLimits, BaseSettings):
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
    jwt_jwks_url: WebUrl = Field(
        "",
        description="URL of the issuer's public keys (JWKS). Empty: read from the issuer's OpenID configuration",
    )
    jwt_algorithms: str = Field(
        "RS256,ES256,EdDSA", description="List of signature algorithms accepted in tokens. Asymmetric ones only"
    )
    max_submissions_per_minute: int = Field(
        600, ge=1, le=10**9, description="Maximum submissions and retries per minute for one caller"
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
        200, ge=1, le=10**9, description="Maximum open streams of one caller in each API process"
    )
    max_body_bytes: int = Field(
        262_144,
        ge=1_024,
        le=10**9,
        description="Bytes. Maximum size of a request body. Larger ones are refused with 413",
    )
    max_arriving_requests: int = Field(
        500,
        ge=10,
        le=10**9,
        description="Maximum connections with an incomplete request in each API process. Above it, the oldest is "
        "closed",
    )
    arrival_seconds: float = Field(
        20, gt=0, le=600, description="Seconds until a connection with an incomplete request is closed"
    )
    max_subscriptions_per_connection: int = Field(
        100, ge=1, le=10**9, description="Maximum open operations on one WebSocket"
    )
    allowed_origins: str = Field(
        "",
        description="List of other origins whose pages may send requests, read responses (CORS) and open WebSockets, "
        "e.g. `https://a.example,https://b.example`; `*`: any",
    )
    allowed_hosts: str = Field(
        "",
        description="List of host names in the address of the API, e.g. `primes.example,*.internal.example`; `*`: any. "
        "Required without authentication, for names other than localhost. Empty with authentication: any",
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
    grafana_url: WebUrl = Field("http://localhost:3000", description="URL of Grafana, for the link on the console")
    metrics_url: WebUrl = Field(
        "http://localhost:8428", description="URL of VictoriaMetrics, for the link on the console"
    )
    traces_url: WebUrl = Field("http://localhost:16686", description="URL of Jaeger, for the links on the console")
    locust_url: WebUrl = Field("http://localhost:8089", description="URL of Locust, for the link on the console")
    link_check_urls: str = Field(
        "",
        description="List of URLs where the API checks that linked services respond, if other than those above, e.g. "
        "`grafana=http://grafana:3000`. Names: `grafana`, `metrics`, `traces`, `locust`",
    )

    @field_validator("allowed_origins")
    @classmethod
    def _validate_origins(cls, value: str) -> str:
        normalize_allowed_origins(_split(value))
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _validate_hosts(cls, value: str) -> str:
        for host in _split(value):
            parsed = parse_host_header(host.removeprefix("*."))
            if host != "*" and (parsed is None or parsed.port is not None or "*" in parsed.host):
                raise ValueError(f"{host!r} is not a host: must be a name without a port, *.name, an address or *")
        return value

    @field_validator("link_check_urls")
    @classmethod
    def _validate_link_check_urls(cls, value: str) -> str:
        for pair in _split(value):
            name, _, url = pair.partition("=")
            if name not in _LINKED_SERVICES:
                raise ValueError(f"{pair!r} must be NAME=URL, with one of the names {', '.join(_LINKED_SERVICES)}")
            _check_web_url(url, f"the value of {name} ")
        return value

    @field_validator("jwt_algorithms")
    @classmethod
    def _validate_algorithms(cls, value: str) -> str:
        if not _split(value) or not ASYMMETRIC_ALGORITHMS.issuperset(_split(value)):
            raise ValueError(f"must be a list of {', '.join(sorted(ASYMMETRIC_ALGORITHMS))}")
        return value

    @model_validator(mode="after")
    def _require_issuer_and_audience(self) -> Self:
        if "jwt" in self.credential_kinds:
            if not (self.jwt_issuer and self.jwt_audience):
                raise ValueError(f"AUTHENTICATION is {self.authentication}: set JWT_ISSUER and JWT_AUDIENCE")
            if not self.jwt_jwks_url:
                _check_web_url(self.jwt_issuer, "JWT_ISSUER is used to find the signing keys: set JWT_JWKS_URL, or it ")
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
    def has_graphiql(self) -> bool:
        """Whether GraphiQL is served: it starts with an introspection query, which these settings refuse."""
        return not (self.production or self.trusted_documents_only)

    @property
    def link_urls(self) -> dict[str, str]:
        """The address of each linked service for browsers, by name."""
        return {name: getattr(self, f"{name}_url") for name in _LINKED_SERVICES}

    @property
    def check_urls(self) -> dict[str, str]:
        """The address of each linked service for the API, by name."""
        return self.link_urls | dict(pair.split("=", 1) for pair in _split(self.link_check_urls))

    @property
    def origins(self) -> frozenset[str]:
        """Allowed origins, as browsers send them."""
        return normalize_allowed_origins(_split(self.allowed_origins))

    @property
    def hosts(self) -> frozenset[str]:
        """Allowed hosts other than loopback."""
        return frozenset(_split(self.allowed_hosts) or ["*"] * bool(self.credential_kinds))


def _split(text: str) -> list[str]:
    return [part for part in map(str.strip, text.split(",")) if part]
