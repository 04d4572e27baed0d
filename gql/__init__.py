"""The composition root and the HTTP edge: application, GraphQL endpoint, REST shims, explorer, pages, health."""
