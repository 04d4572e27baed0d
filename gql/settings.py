"""The API process's own settings. Read once, by gql.app; what it shares with workers is tasks.settings."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """How much one request may ask for, and where the neighbours are. Each field is an environment variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    max_page_size: int = Field(1_000, ge=1, le=10_000, description="Most elements in one page of any connection")
    max_wait_ms: int = Field(30_000, ge=0, le=300_000, description="Longest waitMs, and longest Prefer: wait")
    max_body_bytes: int = Field(262_144, ge=1_024, description="Largest request body; a larger one is refused unread")
    heartbeat_seconds: float = Field(10, gt=0, le=60, description="A silent event stream sends a sign of life so often")
    drain_seconds: float = Field(2, ge=0, le=60, description="Streams get so long to end when the process is stopped")
    grafana_url: str = Field("http://localhost:3000", description="Linked from the front page")
    metrics_url: str = Field("http://localhost:8428", description="VictoriaMetrics, linked from the front page")
    locust_url: str = Field("http://localhost:8089", description="Linked from the front page")
