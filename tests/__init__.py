"""Tests, in folders that mirror the code. Tests of whole systems, browsers, other clients and faults are in e2e."""
