"""OpenTelemetry instruments and spans of both halves. They record nothing until a process starts its telemetry."""
