-- Fails a job because one of its segments cannot be computed, and another attempt would not help.
-- Arguments and reply: FailJob.

allow_out_of_memory()
if not require_lease() then return { 'fenced', true } end
fail_job(ARGS.job, ARGS.reason, ARGS.text)
return { 'ended_jobs', ENDED_JOBS }
