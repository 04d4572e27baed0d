"""What both halves of a deployment, API and workers, must agree on. Read once, by the entry point of each process."""

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
    """Where jobs are kept, how many and for how long. Each field is an environment variable of the same name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    redis_url: RedisDsn = Field(RedisDsn("redis://127.0.0.1:6379/0"), description="Valkey or Redis >= 6.2")
    redis_password_file: Path | None = Field(None, description="A file with the password of the user in `REDIS_URL`")
    key_prefix: str = Field("primegen:", description="Prepended to every key, so that systems can share a server")
    results_url: str = Field(
        "",
        pattern="^$|^(file|s3|gs|az|memory)://",
        description="Where results above 10,000 primes go: file://, s3://, gs:// or az://; empty: .data/results",
    )
    max_count: int = Field(10**8, ge=1, le=2 * 10**9, description="Most primes a job may ask for")
    queue_capacity: int = Field(10_000, ge=1, description="Most jobs queued and running together")
    job_ttl_seconds: Seconds = Field(7 * 24 * 3600, description="A job is known so long after its last change")
    result_ttl_seconds: Seconds = Field(24 * 3600, description="Its primes can be read so long after it ended")
    idempotency_ttl_seconds: Seconds = Field(24 * 3600, description="A key stands for its job so long")
    lease_seconds: float = Field(5, ge=0.2, le=600, description="A silent worker loses its segment after so long")
    job_time_limit_seconds: Seconds = Field(3600, description="A job that has run for longer fails")
    max_attempts: int = Field(3, ge=1, le=100, description="A segment is given to so many workers before it fails")

    @model_validator(mode="after")
    def _expiries_are_nested(self) -> Self:
        if max(self.result_ttl_seconds, self.idempotency_ttl_seconds) > self.job_ttl_seconds:
            raise ValueError("JOB_TTL_SECONDS must not be below RESULT_TTL_SECONDS or IDEMPOTENCY_TTL_SECONDS")
        return self

    @field_validator("redis_password_file", mode="before")
    @classmethod
    def _may_be_empty(cls, value: object) -> object:
        return value or None

    @property
    def broker_url(self) -> str:
        """REDIS_URL with the password that is in the file."""
        url = str(self.redis_url)
        if self.redis_password_file is None:
            return url
        parts = urlsplit(url)
        password = quote(self.redis_password_file.read_text(encoding="utf-8").strip(), safe="")
        where = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{parts.username or ''}:{password}@{where}").geturl()

    @property
    def result_store_url(self) -> str:
        """Where results of more than 10,000 primes are kept, as a URL."""
        return self.results_url or f"{_ROOT.as_uri()}/.data/results"

    @property
    def lease(self) -> timedelta:
        """How long a claim lasts without a heartbeat."""
        return timedelta(seconds=self.lease_seconds)
