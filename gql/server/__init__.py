"""What surrounds uvicorn: bound addresses, slow requests, graceful shutdown."""
