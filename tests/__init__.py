"""Mirrors the tree; what runs against a whole system with browsers, other clients and faults is in e2e."""
