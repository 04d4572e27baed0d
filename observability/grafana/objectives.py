"""What the system promises, and how far it is from it; observability/alerts/objectives.yml alerts on the same.

A burn rate is the share of failures over the share that the objective allows: at 1 the budget of a month lasts a month.
"""

from __future__ import annotations

from observability.grafana.queries import store_rate

# Of what is asked for, so much may go wrong.
BUDGET = 0.01
OBJECTIVE = 1 - BUDGET

# From submission to final state, of small jobs: what a person takes for at once.
JOB_SECONDS = 0.25

# At these burn rates someone is told: 2 % of a month's budget gone within an hour, or 5 % within six hours.
FAST_BURN = 14.4
SLOW_BURN = 6.0

SMALL_JOBS = 'job_queue="small",job_status="SUCCEEDED"'

# Refusing for want of room, and what nobody expected, is our failure; a client's mistake is not.
API_ERRORS = "INTERNAL|BackendUnavailable|QueueFull"


def jobs_in_time(window: str = "$__rate_interval") -> str:
    """The share of small jobs that were final in time, which is a bound of the histogram."""

    def finished(series: str) -> str:
        return f"sum(rate(job_duration_seconds_{series}[{window}]))"

    in_time = finished(f'bucket{{{SMALL_JOBS},le="{JOB_SECONDS}"}}')
    return f"{in_time} / {finished(f'count{{{SMALL_JOBS}}}')}"


def jobs_failed(window: str = "$__rate_interval") -> str:
    """The share of ended jobs that FAILED; those that were cancelled are not counted."""
    failed = store_rate('job_finished_total{job_status="FAILED"}', window=window)
    ended = store_rate('job_finished_total{job_status=~"SUCCEEDED|FAILED"}', window=window)
    return f"({failed} or vector(0)) / {ended}"


def api_errors(window: str = "$__rate_interval") -> str:
    """The share of requests that failed through no fault of the client.

    Errors of GraphQL are 200 in HTTP, so its operations are counted for themselves, and its path only where it broke.
    """
    http = "http_server_request_duration_seconds_count"
    graphql = "graphql_server_operation_duration_seconds_count"

    def requests(series: str) -> str:
        return f"(sum(rate({series}[{window}])) or vector(0))"

    broken = requests(f'{http}{{http_response_status_code=~"5.."}}')
    failed = requests(f'{graphql}{{error_type=~"{API_ERRORS}"}}')
    rest = requests(f'{http}{{http_route!="/graphql"}}')
    graphql_broken = requests(f'{http}{{http_route="/graphql",http_response_status_code=~"5.."}}')
    return f"({broken} + {failed}) / ({rest} + {graphql_broken} + {requests(graphql)})"


def burn(share: str) -> str:
    """How many times faster than allowed the budget is used up."""
    return f"({share}) / {BUDGET}"
