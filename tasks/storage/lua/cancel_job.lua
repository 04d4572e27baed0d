-- Cancels a job at once; later writes of its workers are refused. Arguments and reply: CancelJob.

if redis.call('EXISTS', job_key(ARGS.job)) == 0 or not is_owned_by_caller(ARGS.job) then
  return { 'outcome', 'unknown' }
end
if not finish_job(ARGS.job, 'CANCELLED') then
  return { 'outcome', 'refused', 'job', snapshot(ARGS.job) }
end
publish_change(ARGS.job)
return { 'outcome', 'cancelled', 'job', snapshot(ARGS.job) }
