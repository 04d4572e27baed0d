"""Clients, generators, linters and test tools of others against the running system and its schema."""
