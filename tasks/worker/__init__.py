"""The worker half of tasks: synchronous code in Celery worker processes. Never imports tasks.api.

In each process of the pool, to compute segments:

- `generate_segment`: the Celery task, which makes one attempt after the other.
- `attempt`: one segment is computed, stored and completed.
- `lease`: extends the claim of a segment meanwhile.
- `termination`: a signal ends the process, after it has released its segment.

In the main process, to keep the pool at work:

- `startup` and `memory`: before the first message, and before the first fork.
- `heartbeat`: registers the worker, and rescues the segments of others. `watchdog` says when this one hangs.
- `shutdown`: releases what is not completed, and ends all processes in a fixed time.

In both: `job_recorder`, which changes job records, and `telemetry`. `healthcheck` is a separate program.
"""
