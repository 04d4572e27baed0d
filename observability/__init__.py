"""Telemetry of the processes, and the configuration of collector, stores, dashboards and alerts.

Imports nothing else of this project.
"""
