-- Fails a job because one of its segments cannot be computed, and another attempt would not help.
-- ARGS: reason, text, message, and those of require_lease.lua. Returns the jobs that this ended, or false when fenced.

fail_job(ARGS.job, ARGS.reason, ARGS.text)
return ended_snapshots()
