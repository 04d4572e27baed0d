-- Registers a worker as consuming. ARGS: worker (name and concurrency), worker_ttl_ms, queues.
-- Returns the number of queued messages.

allow_out_of_memory()
redis.call('ZADD', PREFIX .. 'workers', NOW, ARGS.worker)
redis.call('PEXPIRE', PREFIX .. 'workers', ARGS.worker_ttl_ms)
local queued = 0
for _, queue in ipairs(ARGS.queues) do queued = queued + redis.call('LLEN', PREFIX .. queue) end
return queued
