"""The programs that receive telemetry, built from source and run with the very configuration that is deployed."""
