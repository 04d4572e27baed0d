"""What surrounds uvicorn: its settings, bound addresses, slow requests, graceful shutdown."""
