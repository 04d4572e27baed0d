-- The reconciler: sends lost segments again, and fails jobs that exceed their time limit. Safe to run at any time, by
-- any number of workers. Arguments and reply: RescueSegments.

-- Times the grace period of a segment that was sent again and again.
local MAX_GRACE_FACTOR = 63

allow_out_of_memory()
renew_ttl(PREFIX .. 'counters')

-- A clock that was set back leaves times far in the future, at which nothing would be rescued. None may be later than it
-- could be if it were set now.
local function limit_scores(key, latest)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. latest, '+inf', 'LIMIT', 0, ARGS.limit)) do
    redis.call('ZADD', key, latest, member)
  end
end
limit_scores(PREFIX .. 'leases', NOW + MAX_LEASE_MS)
limit_scores(PREFIX .. 'deadlines', NOW + ARGS.time_limit_ms)
for _, queue in ipairs(QUEUES) do limit_scores(PREFIX .. 'sent:' .. queue, NOW + ARGS.grace_ms * MAX_GRACE_FACTOR) end

-- Expired leases.
local expired, resent = 0, 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'leases', '-inf', NOW, 'LIMIT', 0, ARGS.limit)) do
  local id, index = split_segment_member(member)
  if redis.call('EXISTS', job_key(id)) == 0 then
    expired = expired + 1
    redis.call('ZREM', PREFIX .. 'leases', member)
  -- No longer there if an earlier segment in this loop was its job's last attempt, which ended all segments of the job.
  elseif redis.call('ZSCORE', PREFIX .. 'leases', member) then
    expired = expired + 1
    local segment = load_segment(id, index)
    if lose_attempt(id, index, segment) then
      send_segment(id, index, segment)
      publish_change(id)
      resent = resent + 1
      increment_counter('resent')
    end
  end
end

-- Exceeded time limits. Workers that still compute a segment of the job are refused at their next write.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'deadlines', '-inf', NOW, 'LIMIT', 0, ARGS.limit)) do
  local status = get_field(id, 'status')
  if status == 'QUEUED' then
    -- An attempt was lost and the next has not started. QUEUED cannot become FAILED, so check again once it may run.
    redis.call('ZADD', PREFIX .. 'deadlines', NOW + 1000, id)
  else
    redis.call('ZREM', PREFIX .. 'deadlines', id)
    if status == 'RUNNING' then
      fail_job(id, 'TIMEOUT', 'job exceeded its time limit of ' .. ARGS.time_limit_ms / 1000 .. ' s')
    end
  end
end

-- Lost messages. While a queue has messages, an unclaimed segment may still be waiting in it. When the queue is empty
-- and the segment still unclaimed, its message was lost. The grace period doubles with each send, so that a queue that
-- loses everything is not flooded.
for _, queue in ipairs(QUEUES) do
  -- A worker that shuts down puts messages back that it has not started, without a time-to-live.
  renew_ttl(PREFIX .. queue)
  if redis.call('LLEN', PREFIX .. queue) == 0 then
    local sent = PREFIX .. 'sent:' .. queue
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', sent, '-inf', NOW - ARGS.grace_ms, 'LIMIT', 0, ARGS.limit)) do
      local id, index = split_segment_member(member)
      redis.call('ZREM', sent, member)
      if redis.call('EXISTS', job_key(id)) == 1 then
        local segment = load_segment(id, index)
        send_segment(id, index, segment)
        local factor = math.min(2 ^ (segment.sends - 2) - 1, MAX_GRACE_FACTOR)
        redis.call('ZADD', sent, NOW + ARGS.grace_ms * factor, member)
        resent = resent + 1
        increment_counter('resent')
      end
    end
  end
end
return {
  'expired_leases', expired,
  'resent_segments', resent,
  'lost_attempts', LOST_ATTEMPTS,
  'ended_jobs', ENDED_JOBS,
}
