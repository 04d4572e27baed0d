"""GraphQL types, operations and limits: they translate between clients and tasks.service, independent of HTTP."""
