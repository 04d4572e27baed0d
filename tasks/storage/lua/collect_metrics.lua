-- Reads all figures for metrics at one moment. Arguments and reply: CollectMetrics.

redis.call('ZREMRANGEBYSCORE', PREFIX .. 'workers', '-inf', NOW - WORKER_TTL_MS)
local depths = {}
for _, queue in ipairs(QUEUES) do
  table.insert(depths, queue)
  table.insert(depths, redis.call('LLEN', PREFIX .. queue))
end
return {
  'queue', queue_stats(),
  'depths', depths,
  'workers', redis.call('ZRANGE', PREFIX .. 'workers', 0, -1, 'WITHSCORES'),
  'counters', redis.call('HGETALL', PREFIX .. 'counters'),
}
