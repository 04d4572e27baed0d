-- A segment is computed and kept. The last one ends the job in the same step, and for that it brings the checksum of all.
-- A: length, first, last, sha256 where it is known, message, and those of require_lease.lua; ARGV[2]: the delta-coded primes of a
-- small job, the others' are in files.
-- Returns 'checksum_required' when all that is missing is the checksum, and then nothing has changed; otherwise the jobs that this
-- ended, or nothing when fenced.

local segments = tonumber(get(A.job, 'segments'))
local is_last = tonumber(get(A.job, 'segments_done')) + 1 == segments
if is_last and not A.sha256 then return 'checksum_required' end

segment.state, segment.claim, segment.last = 'done', nil, A.last
save_segment(A.job, A.index, segment)
redis.call('ZREM', P .. 'leases', member(A.job, A.index))
redis.call('HINCRBY', job_key(A.job), 'leased', -1)
redis.call('HINCRBY', job_key(A.job), 'done', A.length)

local prefix = tonumber(get(A.job, 'prefix'))
while prefix < segments and load_segment(A.job, prefix).state == 'done' do prefix = prefix + 1 end
set(A.job, 'prefix', prefix)

redis.call('HINCRBY', job_key(A.job), 'segments_done', 1)
if tonumber(A.index) == 0 then set(A.job, 'first', A.first) end
if tonumber(A.index) == segments - 1 then set(A.job, 'last', A.last) end
if is_last then
  if ARGV[2] ~= '' then redis.call('SET', job_key(A.job) .. ':result', ARGV[2], 'PX', A.result_ttl_ms) end
  set(A.job, 'sha256', A.sha256)
  finalise(A.job, 'SUCCEEDED')
  -- How long a job takes, as a moving average over about the last twenty: what a waiting caller is told.
  local took = NOW - tonumber(get(A.job, 'started_at'))
  local pace = tonumber(redis.call('GET', P .. 'pace') or took)
  redis.call('SET', P .. 'pace', string.format('%.3f', pace + (took - pace) / 20), 'PX', A.job_ttl_ms)
else
  send_following(A.job, 1)
end
changed(A.job)
return ended()
