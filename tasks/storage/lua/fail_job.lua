-- Fails a job because one of its segments cannot be computed, and another attempt would not help.
-- ARGS: reason, text, message, and those of require_lease. Returns the jobs that this ended, or false when fenced.

allow_out_of_memory()
if not require_lease() then return false end
fail_job(ARGS.job, ARGS.reason, ARGS.text)
return ended_snapshots()
