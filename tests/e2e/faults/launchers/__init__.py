"""Programs that start the API or Celery with one fault injected or one safeguard disabled."""
