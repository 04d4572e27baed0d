"""Scenarios: how many users run when, and when a run ends."""
