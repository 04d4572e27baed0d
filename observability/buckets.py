"""Bucket bounds shared by all histograms, so that durations of different metrics can be compared."""

from __future__ import annotations

# fmt: off
SECONDS = (
    0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 0.75,
    1, 1.5, 2, 3, 5, 7.5, 10, 30, 60, 120, 300,
)
MILLISECONDS = (
    0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 125, 150, 200, 250, 300, 400, 500, 750,
    1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 30_000, 60_000,
)
# fmt: on
