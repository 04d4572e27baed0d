-- Reads the state of the system at one moment. ARGS: worker_ttl_ms, queues.
-- Returns {server time, queue statistics, workers with their last heartbeat, milliseconds since the oldest unclaimed
-- segment was sent or -1}.

redis.call('ZREMRANGEBYSCORE', PREFIX .. 'workers', '-inf', NOW - ARGS.worker_ttl_ms)
local oldest_due = -1
for _, queue in ipairs(ARGS.queues) do
  local oldest = redis.call('ZRANGE', PREFIX .. 'sent:' .. queue, 0, 0, 'WITHSCORES')
  if oldest[2] then oldest_due = math.max(oldest_due, NOW - tonumber(oldest[2]), 0) end
end
return { NOW, queue_stats(), redis.call('ZRANGE', PREFIX .. 'workers', 0, -1, 'WITHSCORES'), oldest_due }
