"""The simulated world: processes, calls, clock and store, and what replaces everything that no seed decides."""
