"""Clients that follow jobs to their final state over every transport."""
