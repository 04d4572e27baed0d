"""Settings that API and workers share, and how every program reads its settings."""

from tasks.settings.job_settings import JobSettings, RedisUrl

__all__ = ["JobSettings", "RedisUrl"]
