"""GraphQL types, operations and limits: translates between clients and tasks.service, and knows nothing of HTTP."""
