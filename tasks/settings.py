"""Settings that API and workers share. Read once, by the entry point of each process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, RedisDsn, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_ROOT = Path(__file__).parents[1]

Seconds = Annotated[int, Field(ge=1, le=366 * 24 * 3600)]


class JobSettings(BaseSettings):
    """The stores, and the limits and lifetimes of jobs. Each field is an environment variable of the same name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    redis_url: RedisDsn = Field(
        RedisDsn("redis://127.0.0.1:6379/0"),
        description="URL of the job store: Valkey, or Redis >= 6.2",
    )
    redis_password_file: Path | None = Field(None, description="File with the password for `REDIS_URL`")
    key_prefix: str = Field("primegen:", description="Prefix of all keys, for systems that share a server")
    results_url: str = Field(
        "",
        pattern="^$|^(file|s3|gs|az|memory)://",
        description="URL for results above 10,000 primes: file://, s3://, gs:// or az://; empty: .data/results",
    )
    max_count: int = Field(10**8, ge=1, le=2 * 10**9, description="Maximum number of primes of a job")
    queue_capacity: int = Field(10_000, ge=1, description="Maximum number of queued and running jobs together")
    job_ttl_seconds: Seconds = Field(7 * 24 * 3600, description="Seconds to keep a job record after its last change")
    result_ttl_seconds: Seconds = Field(24 * 3600, description="Seconds to keep a result after its job ended")
    idempotency_ttl_seconds: Seconds = Field(24 * 3600, description="Seconds to remember an idempotency key")
    lease_seconds: float = Field(
        5, ge=0.2, le=600, description="Seconds until the lease of a segment expires unless extended"
    )
    job_time_limit_seconds: Seconds = Field(3600, description="Seconds that a job may run before it fails")
    max_attempts: int = Field(3, ge=1, le=100, description="Maximum number of attempts for each segment of a job")

    @model_validator(mode="after")
    def _check_expiry_order(self) -> Self:
        if max(self.result_ttl_seconds, self.idempotency_ttl_seconds) > self.job_ttl_seconds:
            raise ValueError("JOB_TTL_SECONDS must not be below RESULT_TTL_SECONDS or IDEMPOTENCY_TTL_SECONDS")
        return self

    @field_validator("redis_password_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @property
    def broker_url(self) -> str:
        """REDIS_URL, with the password from REDIS_PASSWORD_FILE."""
        url = str(self.redis_url)
        if self.redis_password_file is None:
            return url
        parts = urlsplit(url)
        password = quote(self.redis_password_file.read_text(encoding="utf-8").strip(), safe="")
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{parts.username or ''}:{password}@{host}").geturl()

    @property
    def result_store_url(self) -> str:
        """RESULTS_URL, or the default folder as a URL."""
        return self.results_url or f"{_ROOT.as_uri()}/.data/results"

    @property
    def lease(self) -> timedelta:
        """LEASE_SECONDS as a duration."""
        return timedelta(seconds=self.lease_seconds)
