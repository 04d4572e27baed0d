-- Accept a job: idempotency key, admission, record, index, first messages and event, or nothing at all.
-- A: count, start, segments, window, queue, uuid_tail, capacity, max_attempts, message, and where they are known
-- idempotency_key, idempotency_ttl_ms, traceparent, retry_of.
-- Returns {'created' | 'replayed' | 'conflict', snapshot}, {'full', queue statistics}, {'refused', snapshot} or {'unknown'}.

local idempotency = A.idempotency_key and P .. 'idempotency:' .. A.idempotency_key
local known = idempotency and redis.call('GET', idempotency)
if known and redis.call('EXISTS', job_key(known)) == 1 then
  local same = get(known, 'count') == A.count and get(known, 'start') == A.start
  local outcome = same and 'replayed' or 'conflict'
  count('submissions', get(known, 'queue'), outcome)
  return { outcome, snapshot(known) }
end

if A.retry_of then
  local status = get(A.retry_of, 'status')
  if not status then return { 'unknown' } end
  if status ~= 'FAILED' and status ~= 'CANCELLED' then return { 'refused', snapshot(A.retry_of) } end
  A.count, A.start = get(A.retry_of, 'count'), get(A.retry_of, 'start')
  A.segments, A.queue = tonumber(get(A.retry_of, 'segments')), get(A.retry_of, 'queue')
end

prune()
local open = redis.call('ZCARD', index_key('QUEUED')) + redis.call('ZCARD', index_key('RUNNING'))
if open >= A.capacity then
  count('submissions', A.queue, 'full')
  return { 'full', queue_stats() }
end

local stamp = string.format('%012x', NOW)
local id = string.sub(stamp, 1, 8) .. '-' .. string.sub(stamp, 9, 12) .. '-' .. A.uuid_tail

set(id, 'format', 1, 'id', id, 'status', 'QUEUED', 'version', 0, 'count', A.count, 'start', A.start, 'segments', A.segments,
  'segments_done', 0, 'done', 0, 'prefix', 0, 'leased', 0, 'next', 0, 'queue', A.queue, 'created_at', NOW,
  'attempt', 1, 'max_attempts', A.max_attempts)
if A.idempotency_key then set(id, 'idempotency_key', A.idempotency_key) end
if A.traceparent then set(id, 'traceparent', A.traceparent) end
if A.retry_of then set(id, 'retry_of', A.retry_of) end
redis.call('ZADD', index_key('QUEUED'), 0, id)
keep(index_key('QUEUED'))
if idempotency then redis.call('SET', idempotency, id, 'PX', A.idempotency_ttl_ms) end

-- Big jobs send a few segments at a time, and each one done sends the next: so they take turns in the queue.
local first_messages = math.min(A.window, A.segments)
for index = 0, first_messages - 1 do send(id, index, load_segment(id, index)) end
set(id, 'next', first_messages)
count('submissions', A.queue, 'created')
changed(id)
return { 'created', snapshot(id) }
