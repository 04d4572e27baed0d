-- Reads the state of the system at one moment. Arguments and reply: GetSystemState.

redis.call('ZREMRANGEBYSCORE', PREFIX .. 'workers', '-inf', NOW - WORKER_TTL_MS)
-- How long the segment that has waited longest has been due.
local oldest_due = false
for _, queue in ipairs(QUEUES) do
  local oldest = redis.call('ZRANGE', PREFIX .. 'sent:' .. queue, 0, 0, 'WITHSCORES')
  if oldest[2] then oldest_due = math.max(oldest_due or 0, NOW - tonumber(oldest[2])) end
end
return {
  'now', NOW,
  'queue', queue_stats(),
  'workers', redis.call('ZRANGE', PREFIX .. 'workers', 0, -1, 'WITHSCORES'),
  'oldest_due_ms', oldest_due,
}
