"""Evaluation of a run: statistics, percentiles, criteria and the printed summary."""
