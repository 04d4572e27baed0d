"""Grafana's dashboards as code. `python -m observability.grafana` writes the JSON files, `--check` compares them.

A development tool: the running system does not import it.
"""
