-- What there is to measure, at one moment. A: queues, worker_ttl_ms.
-- Returns {queue statistics, messages waiting in each queue, workers with last sight, counters as a flat list}.

redis.call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', NOW - A.worker_ttl_ms)
local depths = {}
for i, queue in ipairs(A.queues) do depths[i] = redis.call('LLEN', P .. queue) end
local workers = redis.call('ZRANGE', P .. 'workers', 0, -1, 'WITHSCORES')
return { queue_stats(), depths, workers, redis.call('HGETALL', P .. 'counters') }
