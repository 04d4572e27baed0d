-- Cancels a job at once; later writes of its workers are refused. ARGS: job, owner, message.
-- Returns {'cancelled' | 'refused', snapshot} or {'unknown'}.

if redis.call('EXISTS', job_key(ARGS.job)) == 0 or not is_owned_by_caller(ARGS.job) then return { 'unknown' } end
if not finish_job(ARGS.job, 'CANCELLED') then return { 'refused', snapshot(ARGS.job) } end
publish_change(ARGS.job)
return { 'cancelled', snapshot(ARGS.job) }
