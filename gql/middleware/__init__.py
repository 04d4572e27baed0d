"""ASGI middleware, one a module. gql.app lists them outermost first."""
