-- Registers a worker as consuming. Arguments and reply: WorkerHeartbeat.

allow_out_of_memory()
redis.call('ZADD', PREFIX .. 'workers', NOW, ARGS.worker)
redis.call('PEXPIRE', PREFIX .. 'workers', WORKER_TTL_MS)
local queued = 0
for _, queue in ipairs(QUEUES) do queued = queued + redis.call('LLEN', PREFIX .. queue) end
return { 'queued', queued }
