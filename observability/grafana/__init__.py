"""Grafana's dashboards as code: `python -m observability.grafana` writes them, `--check` says whether they are.

For developers: nothing that runs imports this.
"""
