"""Compiled operations: a validated operation as a plan of closures, with the results of graphql-core."""
