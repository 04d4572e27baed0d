"""Telemetry set-up and the configuration of what receives it. Imports nothing of the project."""
