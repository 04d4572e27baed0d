"""The stores, and the limits and lifetimes of jobs. Read once, by the entry point of each process."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, InstanceOf, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tasks.settings.store_url import StoreUrl

_ROOT = Path(__file__).parents[2]

MAX_LEASE_SECONDS = 600

Seconds = Annotated[int, Field(ge=1, le=366 * 24 * 3600)]


def _parse_redis_url(value: object) -> object:
    return StoreUrl.parse(value) if isinstance(value, str) else value


# NoDecode: text, which pydantic would otherwise read as JSON.
RedisUrl = Annotated[InstanceOf[StoreUrl], NoDecode, BeforeValidator(_parse_redis_url)]


class JobSettings(BaseSettings):
    """The stores, and the limits and lifetimes of jobs. Each field is an environment variable of the same name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    redis_url: RedisUrl = Field(
        StoreUrl(),
        description="URL of the job store, Valkey or Redis >= 6.2: `redis://USER:PASSWORD@HOST:PORT/DB`, `rediss://` "
        "with TLS and its options `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs` and "
        "`ssl_check_hostname`, or `unix:///SOCKET?db=DB`",
    )
    redis_password_file: Path | None = Field(None, description="File with the password for `REDIS_URL`")
    key_prefix: str = Field(
        "primegen:",
        description="Prefix of all keys, for systems that share a server: at most 100 letters, digits and `:._/-`",
    )
    results_url: str = Field(
        "", description="URL for results above 10,000 primes: file://, s3://, gs:// or az://; empty: .data/results"
    )
    max_count: int = Field(10**8, ge=1, le=2 * 10**9, description="Maximum number of primes of a job")
    queue_capacity: int = Field(
        10_000, ge=1, le=10**9, description="Maximum number of queued and running jobs together"
    )
    job_ttl_seconds: Seconds = Field(7 * 24 * 3600, description="Seconds to keep a job record after its last change")
    result_ttl_seconds: Seconds = Field(24 * 3600, description="Seconds to keep a result after its job ended")
    idempotency_ttl_seconds: Seconds = Field(24 * 3600, description="Seconds to remember an idempotency key")
    lease_seconds: float = Field(
        5, ge=0.2, le=MAX_LEASE_SECONDS, description="Seconds until the lease of a segment expires unless extended"
    )
    job_time_limit_seconds: Seconds = Field(3600, description="Seconds that a job may run before it fails")
    max_attempts: int = Field(3, ge=1, le=100, description="Maximum number of attempts for each segment of a job")

    @field_validator("key_prefix")
    @classmethod
    def _check_prefix(cls, value: str) -> str:
        # Others have a meaning in patterns of keys, in access rules, or in Redis Cluster.
        if not re.fullmatch("[A-Za-z0-9:._/-]{1,100}", value):
            raise ValueError("must be 1 to 100 letters, digits and :._/-")
        return value

    @field_validator("results_url")
    @classmethod
    def _check_results(cls, value: str) -> str:
        if value:
            check_results_url(value)
        return value

    @model_validator(mode="after")
    def _check_expiry_order(self) -> Self:
        if max(self.result_ttl_seconds, self.idempotency_ttl_seconds) > self.job_ttl_seconds:
            raise ValueError("JOB_TTL_SECONDS must not be below RESULT_TTL_SECONDS or IDEMPOTENCY_TTL_SECONDS")
        return self

    @model_validator(mode="after")
    def _check_password(self) -> Self:
        _ = self.store
        return self

    @property
    def store(self) -> StoreUrl:
        """REDIS_URL, with the password from REDIS_PASSWORD_FILE."""
        if self.redis_password_file is None:
            return self.redis_url
        if self.redis_url.password is not None:
            raise ValueError("REDIS_URL has a password, and REDIS_PASSWORD_FILE is set: remove one of them")
        return replace(self.redis_url, password=_read_password(self.redis_password_file))

    @property
    def result_store_url(self) -> str:
        """RESULTS_URL, or the default folder as a URL."""
        return self.results_url or f"{_ROOT.as_uri()}/.data/results"

    @property
    def lease(self) -> timedelta:
        """LEASE_SECONDS as a duration."""
        return timedelta(seconds=self.lease_seconds)


def check_results_url(url: str) -> None:
    """Check the URL of a result store, without connecting to it.

    Raises:
        ValueError: it is malformed, or has parts that the store would ignore.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"file", "s3", "gs", "az"} or f"{parts.scheme}://" != url[: len(parts.scheme) + 3]:
        raise ValueError("must begin with file://, s3://, gs:// or az://")
    if not url.isprintable() or " " in url or "?" in url or "#" in url or re.search("%(?![0-9A-Fa-f]{2})", url):
        raise ValueError("must have the characters ? # % and spaces of its path escaped, e.g. a space as %20")
    if parts.scheme == "file" and (parts.netloc or not parts.path.strip("/") or ".." in unquote(parts.path).split("/")):
        raise ValueError("must have three slashes and the absolute path of a folder, e.g. file:///var/lib/primes")
    if parts.scheme != "file" and not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*", parts.netloc):
        raise ValueError("must have the name of a bucket and no credentials, e.g. s3://bucket/path")


def _read_password(path: Path) -> str:
    try:
        password = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"REDIS_PASSWORD_FILE is {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        password = ""
    if not password.isprintable() or not password:
        raise ValueError(f"REDIS_PASSWORD_FILE is {path}: must contain one line, the password")
    return password
