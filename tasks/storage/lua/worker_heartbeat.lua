-- Registers a worker as consuming. Arguments and reply: WorkerHeartbeat.

-- Celery's tools (inspect, control, events, Flower) register queues until a deadline, which they renew while they run.
-- Celery deletes what is overdue only while another tool runs. Here each key gets the deadline as its time of expiry.
local function expire_tools()
  local deadlines = PREFIX .. '_kombu.binding_deadlines'
  local exchanges = redis.call('ZRANGE', deadlines, 0, -1, 'WITHSCORES')
  for i = 1, #exchanges, 2 do
    local exchange, deadline = exchanges[i], exchanges[i + 1]
    local bindings = PREFIX .. '_kombu.binding.' .. exchange
    if redis.call('EXISTS', PREFIX .. '_kombu.binding_permanent.' .. exchange) == 0 then
      for _, binding in ipairs(redis.call('SMEMBERS', bindings)) do
        local queue = PREFIX .. string.match(binding, '[^\022]*$')
        if redis.call('PTTL', queue) == -1 then redis.call('PEXPIREAT', queue, deadline) end
      end
      redis.call('PEXPIREAT', bindings, deadline)
    end
    redis.call('PEXPIREAT', deadlines, deadline)
  end
end

allow_out_of_memory()
redis.call('ZADD', PREFIX .. 'workers', NOW, ARGS.worker)
redis.call('PEXPIRE', PREFIX .. 'workers', WORKER_TTL_MS)
expire_tools()
local queued = 0
for _, queue in ipairs(QUEUES) do queued = queued + redis.call('LLEN', PREFIX .. queue) end
return { 'queued', queued }
