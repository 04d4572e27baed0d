"""Programs that start uvicorn or Celery with one fault injected or one safeguard disabled."""
