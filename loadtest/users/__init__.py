"""Simulated users: what they send over GraphQL and REST, and how they check the responses."""
