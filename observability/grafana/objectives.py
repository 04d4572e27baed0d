"""The service level objectives as PromQL. observability/alerts/objectives.yml alerts on the same expressions.

A burn rate is the share of failures divided by the share that the objective allows: at 1 the error budget of a month
lasts a month.
"""

from __future__ import annotations

from observability.grafana.queries import store_rate

# Error budget: the share of jobs and of requests that may fail.
BUDGET = 0.01
OBJECTIVE = 1 - BUDGET

# Seconds from submission to final state of small jobs. Users perceive this as immediate.
SMALL_JOB_SECONDS = 0.25

# Burn rates of the alerts: 2 % of a month's budget within an hour, and 5 % within six hours.
FAST_BURN = 14.4
SLOW_BURN = 6.0

SMALL_JOBS = 'job_queue="small",job_status="SUCCEEDED"'

# Unexpected errors and lack of capacity count as failures of the service; errors of the client do not.
SERVER_ERROR_TYPES = "INTERNAL|BackendUnavailable|QueueFull"


def on_time_share(window: str = "$__rate_interval") -> str:
    """Share of small jobs that were final within SMALL_JOB_SECONDS, which must be a bucket bound."""

    def finished(series: str) -> str:
        return f"sum(rate(job_duration_seconds_{series}[{window}]))"

    in_time = finished(f'bucket{{{SMALL_JOBS},le="{SMALL_JOB_SECONDS}"}}')
    return f"{in_time} / {finished(f'count{{{SMALL_JOBS}}}')}"


def failed_share(window: str = "$__rate_interval") -> str:
    """Share of FAILED among finished jobs. Cancelled jobs are excluded."""
    failed = store_rate('job_finished_total{job_status="FAILED"}', window=window)
    ended = store_rate('job_finished_total{job_status=~"SUCCEEDED|FAILED"}', window=window)
    return f"({failed} or vector(0)) / {ended}"


def error_share(window: str = "$__rate_interval") -> str:
    """Share of requests that failed through no fault of the client.

    GraphQL errors have HTTP status 200, so operations are counted instead of requests to /graphql, except 5xx ones.
    """
    http = "http_server_request_duration_seconds_count"
    graphql = "graphql_server_operation_duration_seconds_count"

    def requests(series: str) -> str:
        return f"(sum(rate({series}[{window}])) or vector(0))"

    broken = requests(f'{http}{{http_response_status_code=~"5.."}}')
    failed = requests(f'{graphql}{{error_type=~"{SERVER_ERROR_TYPES}"}}')
    rest = requests(f'{http}{{http_route!="/graphql"}}')
    graphql_broken = requests(f'{http}{{http_route="/graphql",http_response_status_code=~"5.."}}')
    return f"({broken} + {failed}) / ({rest} + {graphql_broken} + {requests(graphql)})"


def burn_rate(share: str) -> str:
    """How many times faster than allowed the error budget is used."""
    return f"({share}) / {BUDGET}"
