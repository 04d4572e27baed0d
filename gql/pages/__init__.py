"""HTML pages: front page and API docs, with their static files."""
