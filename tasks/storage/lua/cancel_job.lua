-- Final at once: what a worker still writes for this job is refused. A: job, owner, message.
-- Returns {'cancelled' | 'refused', snapshot} or {'unknown'}.

if redis.call('EXISTS', job_key(A.job)) == 0 or not is_theirs(A.job) then return { 'unknown' } end
if not finalise(A.job, 'CANCELLED') then return { 'refused', snapshot(A.job) } end
changed(A.job)
return { 'cancelled', snapshot(A.job) }
