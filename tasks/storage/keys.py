"""Keys of the job store. All are under one prefix and expire, except where the table says otherwise.

    job:{id}             hash: the job record; `records.parse_job` lists its fields
    job:{id}:segments    hash: index -> JSON {state, token, lost, sends, claim, ...} of each segment sent at least once
    job:{id}:result      bytes: delta-coded primes of a small job; larger results are files in the result store
    folders              sorted set: result ids, scored by the time until which their files are kept
    jobs:{STATUS}        sorted set: ids of jobs with that status; scores are 0, ids sort by creation time
    expiry               sorted set: every id ("{id} {owner}" if it has an owner), scored by its record's expiry time
    idempotency:{key}    id of the job that was submitted with this idempotency key
    owner:{owner}:...    jobs:{STATUS} and idempotency:{key} of one owner; jobs without an owner use the keys above
    owned:{STATUS}       sorted set: ids of all owners' open jobs, for the position in the queue
    leases               sorted set: "{id}:{index}" of claimed segments, scored by the time at which the lease expires
    deadlines            sorted set: ids of started jobs, scored by the end of their time limit
    sent:{queue}         sorted set: "{id}:{index}" of segments sent and not yet claimed, scored by the time of sending
    workers              sorted set: "{name} {concurrency}" of worker processes, scored by their last heartbeat
    counters             hash: totals for metrics; tasks.api.store_metrics lists the fields
    pace                 moving average of a job's run time in milliseconds
    {queue}              list: Celery messages
    _kombu.binding...    Celery's own lists of queues. Those of our queues never expire; those of its tools (inspect,
                         control, events) and the tools' queues expire at the tools' deadline (worker_heartbeat.lua)
    @rates:...           submissions per owner in the current and the previous minute (tasks.api.rate_limit)
    @keys                hash, never expires: API keys (gql.auth.api_keys)
    events               pub/sub channel: "{id} {version} {server time in ms}" after each visible change of a job after
                         its submission

Workers have no access to keys that begin with @ (tasks.acl).

Only the Lua scripts change job data. Each is one atomic step that checks the transition, writes, raises the version
and publishes the event, using the server's clock. Scripts build key names from the prefix, so Redis Cluster is not
supported.
"""

from __future__ import annotations


def job_key(prefix: str, job_id: str) -> str:
    """Key of a job's record."""
    return f"{prefix}job:{job_id}"


def result_key(prefix: str, job_id: str) -> str:
    """Key of a small job's delta-coded primes."""
    return f"{prefix}job:{job_id}:result"


def workers_key(prefix: str) -> str:
    """Key of the registered worker processes."""
    return f"{prefix}workers"


def events_channel(prefix: str) -> str:
    """Channel of the events of all jobs."""
    return f"{prefix}events"
