-- Send again what was lost, and end what has run for too long; safe to run anywhere, any number of times.
-- A: queues, grace_ms, time_limit_ms, limit, message.
-- Returns {leases that ran out, messages sent again, attempts given up, jobs ended}.

local expired, resent = 0, 0
for _, who in ipairs(redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', NOW, 'LIMIT', 0, A.limit)) do
  local id, index = string.sub(who, 1, 36), tonumber(string.sub(who, 38))
  if redis.call('EXISTS', job_key(id)) == 0 then
    expired = expired + 1
    redis.call('ZREM', P .. 'leases', who)
  -- Gone when an earlier one was the last attempt of the same job, which has ended with all of its segments.
  elseif redis.call('ZSCORE', P .. 'leases', who) then
    expired = expired + 1
    local segment = load_segment(id, index)
    if lose(id, index, segment) then
      send(id, index, segment)
      changed(id)
      resent = resent + 1
      count('resent')
    end
  end
end

-- Whoever still computes a segment of it is refused at his next write.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'deadlines', '-inf', NOW, 'LIMIT', 0, A.limit)) do
  local status = get(id, 'status')
  if status == 'QUEUED' then
    -- An attempt was lost, and the next has not begun: it does not run, and its time is up when it does.
    redis.call('ZADD', P .. 'deadlines', NOW + 1000, id)
  else
    redis.call('ZREM', P .. 'deadlines', id)
    if status == 'RUNNING' then
      fail(id, 'TIMEOUT', 'the job was not done within ' .. A.time_limit_ms / 1000 .. ' s of its start')
    end
  end
end

-- A message waits its turn while its list has any; when the list is empty and nobody has claimed, it was lost.
-- The time to look again doubles with each sending: a queue that loses all is not flooded.
for _, queue in ipairs(A.queues) do
  -- A worker that ends puts back what it had not begun, and knows nothing of times to live.
  keep(P .. queue)
  if redis.call('LLEN', P .. queue) == 0 then
    local sent = P .. 'sent:' .. queue
    for _, who in ipairs(redis.call('ZRANGEBYSCORE', sent, '-inf', NOW - A.grace_ms, 'LIMIT', 0, A.limit)) do
      local id, index = string.sub(who, 1, 36), tonumber(string.sub(who, 38))
      redis.call('ZREM', sent, who)
      if redis.call('EXISTS', job_key(id)) == 1 then
        local segment = load_segment(id, index)
        send(id, index, segment)
        redis.call('ZADD', sent, NOW + A.grace_ms * (2 ^ math.min(segment.sends - 2, 6) - 1), who)
        resent = resent + 1
        count('resent')
      end
    end
  end
end
return { expired, resent, LOST, ended() }
