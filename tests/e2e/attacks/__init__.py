"""Attacks on a running API: each must cost it little CPU time and memory."""
