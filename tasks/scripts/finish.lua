-- A segment is computed. The last one ends the job in the same step.
-- A: length, first, last, sha256, result_ttl_ms, message, and those of held.lua; ARGV[2]: the delta-coded primes.
-- Returns the jobs that this ended, or nothing when fenced.

held.state, held.claim = 'done', nil
save_segment(A.job, A.index, held)
redis.call('ZREM', P .. 'leases', member(A.job, A.index))
redis.call('HINCRBY', job_key(A.job), 'leased', -1)
redis.call('HINCRBY', job_key(A.job), 'done', A.length)

local segments = tonumber(get(A.job, 'segments'))
local prefix = tonumber(get(A.job, 'prefix'))
while prefix < segments and load_segment(A.job, prefix).state == 'done' do prefix = prefix + 1 end
set(A.job, 'prefix', prefix)

if redis.call('HINCRBY', job_key(A.job), 'segments_done', 1) == segments then
  redis.call('SET', job_key(A.job) .. ':result', ARGV[2], 'PX', A.result_ttl_ms)
  finalise(A.job, 'SUCCEEDED')
  set(A.job, 'first', A.first, 'last', A.last, 'sha256', A.sha256, 'result_expires_at', NOW + A.result_ttl_ms)
  -- How long a job takes, as a moving average over about the last twenty: what a waiting caller is told.
  local took = NOW - tonumber(get(A.job, 'started_at'))
  local pace = tonumber(redis.call('GET', P .. 'pace') or took)
  redis.call('SET', P .. 'pace', string.format('%.3f', pace + (took - pace) / 20), 'PX', A.job_ttl_ms)
else
  local following = tonumber(get(A.job, 'next'))
  if following < segments then
    send(A.job, following, load_segment(A.job, following))
    set(A.job, 'next', following + 1)
  end
end
changed(A.job)
return ended()
