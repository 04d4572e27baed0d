"""Settings of the HTTP server that `python -m gql` starts. The application's own are in gql.settings."""

from __future__ import annotations

import ipaddress

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Address(BaseSettings):
    """The address that the API listens on. Each field is an environment variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="an address of this machine, e.g. HOST=127.0.0.1")
    port: int = Field(8000, ge=1, le=65535, description="a whole number from 1 to 65535, e.g. PORT=8001")


class ServerSettings(Address):
    """Address, processes, timeouts and reverse proxies."""

    web_workers: int = Field(
        1, ge=1, le=64, description="Number of API processes that share the port. Limits of one API process multiply"
    )
    keep_alive_seconds: int = Field(
        75,
        ge=1,
        le=3_600,
        description="Seconds until an idle connection is closed. Must exceed the idle time of a proxy before the API "
        "(commonly 60), or the proxy sends requests on connections that are just being closed",
    )
    request_drain_seconds: int = Field(
        3, ge=0, le=600, description="Seconds to wait for requests to complete at shutdown, after DRAIN_SECONDS"
    )
    root_path: str = Field(
        "",
        # Characters of a path (RFC 3986). Browsers resolve segments of dots.
        pattern="^(/[A-Za-z0-9_~!$&'()*+,;=:@%-][A-Za-z0-9._~!$&'()*+,;=:@%-]*)*$",
        description="Path prefix, e.g. `/primes`, under which a proxy publishes the API. The proxy may remove it from "
        "requests or leave it; it must remove one that starts like a path of the API, e.g. `/jobs`",
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1",
        description="List of addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are "
        "used. `*`: any",
    )

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        if value != "*":
            for proxy in value.split(","):
                # uvicorn would take anything else as the name of a client, which no client has.
                ipaddress.ip_network(proxy.strip())
        return value
