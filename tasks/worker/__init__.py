"""The worker half of tasks: synchronous code in Celery worker processes. Never imports tasks.api."""
