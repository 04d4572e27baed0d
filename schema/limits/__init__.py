"""Limits of an operation: its document, variables, cost and time, and its caller's open streams."""
