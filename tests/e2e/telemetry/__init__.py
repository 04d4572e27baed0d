"""Tests of the telemetry stack, built from source and run with the deployed configuration."""
