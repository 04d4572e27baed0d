-- A worker says that it is consuming. A: worker (name and concurrency), worker_ttl_ms, queues.
-- Returns how many messages wait.

redis.call('ZADD', P .. 'workers', NOW, A.worker)
redis.call('PEXPIRE', P .. 'workers', A.worker_ttl_ms)
local waiting = 0
for _, queue in ipairs(A.queues) do waiting = waiting + redis.call('LLEN', P .. queue) end
return waiting
