-- A segment can't be computed, and another try would not help: the job has failed.
-- A: reason, text, message, and those of require_lease.lua. Returns the jobs that this ended, or nothing when
-- fenced.

fail(A.job, A.reason, A.text)
return ended()
