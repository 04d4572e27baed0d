"""Faults: an acknowledged job ends exactly once with the correct result, even if processes are killed, paused or slow.

Each test starts its own system (harness/system.py), puts it under load (harness/users.py) and checks the same
invariants from outside (harness/invariants.py). Negative controls disable one safeguard each, and the same checks
must then report violations.
"""
