"""Faults: whatever dies, freezes, fills up or slows down, an acknowledged job ends once, with the right result.

Each test is a whole system of its own (stage) under load (people), judged from outside by the same rules (verdict).
The tests of controls switch one safeguard off at a time, and the same rules must then find the harm.
"""
