-- Reads all figures for metrics at one moment. ARGS: queues, worker_ttl_ms.
-- Returns {queue statistics, messages in each queue, workers with their last heartbeat, counters as a flat list}.

redis.call('ZREMRANGEBYSCORE', PREFIX .. 'workers', '-inf', NOW - ARGS.worker_ttl_ms)
local depths = {}
for i, queue in ipairs(ARGS.queues) do depths[i] = redis.call('LLEN', PREFIX .. queue) end
local workers = redis.call('ZRANGE', PREFIX .. 'workers', 0, -1, 'WITHSCORES')
return { queue_stats(), depths, workers, redis.call('HGETALL', PREFIX .. 'counters') }
