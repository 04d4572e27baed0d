"""The API process: composition, endpoints, middleware, authentication, pages, and commands."""

from observability import environment

environment.prepare()
