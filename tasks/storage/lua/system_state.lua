-- How full the system is and who works. A: worker_ttl_ms, queues.
-- Returns {now, queue statistics, workers with last sight, milliseconds that the oldest sent segment waits, -1: none does}.

redis.call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', NOW - A.worker_ttl_ms)
local waits = -1
for _, queue in ipairs(A.queues) do
  local oldest = redis.call('ZRANGE', P .. 'sent:' .. queue, 0, 0, 'WITHSCORES')
  if oldest[2] then waits = math.max(waits, NOW - tonumber(oldest[2]), 0) end
end
return { NOW, queue_stats(), redis.call('ZRANGE', P .. 'workers', 0, -1, 'WITHSCORES'), waits }
