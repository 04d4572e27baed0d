"""The API process: composition, endpoints, middleware, authentication, pages, and commands."""
