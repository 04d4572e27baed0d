-- Accepts a job: checks the idempotency key and admission, then writes first messages, record and indexes.
-- Arguments and reply: SubmitJob.

-- Idempotency. Each owner has separate keys.
local idempotency = ARGS.idempotency_key and 'idempotency:' .. ARGS.idempotency_key
if idempotency then idempotency = CALLER == '' and PREFIX .. idempotency or owner_key(CALLER, idempotency) end
local known = idempotency and redis.call('GET', idempotency)
if known then
  local count, start, queue = unpack(redis.call('HMGET', job_key(known), 'count', 'start', 'queue'))
  if count then
    local outcome = count == ARGS.count and start == ARGS.start and 'replayed' or 'conflict'
    increment_counter('submissions', queue, outcome)
    return { 'outcome', outcome, 'id', known }
  end
end

-- A retry has the arguments of the job before.
if ARGS.retry_of then
  local before = redis.call('HMGET', job_key(ARGS.retry_of), 'status', 'owner', 'count', 'start', 'segments', 'queue')
  local status = before[1]
  if not status or (before[2] or '') ~= CALLER then return { 'outcome', 'unknown' } end
  if status ~= 'FAILED' and status ~= 'CANCELLED' then return { 'outcome', 'refused', 'id', ARGS.retry_of } end
  ARGS.count, ARGS.start, ARGS.segments, ARGS.queue = before[3], before[4], tonumber(before[5]), before[6]
end

remove_expired_jobs()

-- Admission. Open jobs are counted each time instead of kept in a counter, which could drift.
if ARGS.open_jobs then
  local open, primes = 0, 0
  for _, status in ipairs({ 'QUEUED', 'RUNNING' }) do
    for _, open_id in ipairs(redis.call('ZRANGE', status_key(status, CALLER), 0, -1)) do
      open, primes = open + 1, primes + tonumber(redis.call('HGET', job_key(open_id), 'count') or 0)
    end
  end
  local exceeded = open >= ARGS.open_jobs and open .. ' jobs'
  if not exceeded and primes + tonumber(ARGS.count) > ARGS.open_count then
    exceeded = string.format('jobs for %.0f primes', primes)
  end
  if exceeded then
    increment_counter('submissions', ARGS.queue, 'limited')
    return { 'outcome', 'limited', 'exceeded', exceeded }
  end
end

local queued = count_with_status('QUEUED')
if queued + count_with_status('RUNNING') >= CAPACITY then
  increment_counter('submissions', ARGS.queue, 'full')
  return { 'outcome', 'full', 'queue', queue_stats() }
end

local id = time_prefix(NOW) .. '-' .. ARGS.uuid_tail

-- A retry continues with the result of the job before, if its files are kept for at least a second.
local inherited, done = {}, {}
if ARGS.retry_of then
  local before = job_key(ARGS.retry_of)
  local result_id = redis.call('HGET', before, 'folder')
  local kept_until = result_id and redis.call('ZSCORE', PREFIX .. 'folders', result_id)
  if kept_until and tonumber(kept_until) >= NOW + 1000 then
    for _, field in ipairs({ 'folder', 'done', 'segments_done', 'prefix', 'first', 'last' }) do
      inherited[field] = redis.call('HGET', before, field)
    end
    redis.call('HSET', before, 'retried', 1)
    local segments = redis.call('HGETALL', segments_key(ARGS.retry_of))
    for i = 1, #segments, 2 do
      if cjson.decode(segments[i + 1]).state == 'done' then
        redis.call('HSET', segments_key(id), segments[i], segments[i + 1])
        done[tonumber(segments[i])] = true
      end
    end
  end
end

-- Only large jobs have files.
local result_id = ARGS.queue ~= SMALL_QUEUE and (inherited.folder or id)

-- Large jobs send a few segments first, and another with each one completed, so that jobs take turns in the queue.
local index, sent = 0, 0
while sent < SENDING_WINDOW and index < ARGS.segments do
  if not done[index] then
    redis.call('HSET', segments_key(id), index, '{"state":"queued","token":0,"lost":0,"sends":1}')
    push_message(id, index, 1, ARGS.queue, ARGS.traceparent)
    sent = sent + 1
  end
  index = index + 1
end

local record = {
  'format', RECORD_FORMAT, 'id', id, 'status', 'QUEUED', 'version', '1', 'count', ARGS.count, 'start', ARGS.start,
  'segments', ARGS.segments, 'segments_done', inherited.segments_done or '0', 'done', inherited.done or '0',
  'prefix', inherited.prefix or '0', 'leased', '0', 'next', index, 'queue', ARGS.queue, 'created_at', NOW,
  'attempt', '1', 'max_attempts', MAX_ATTEMPTS,
}
local function add(field, value)
  if value then record[#record + 1], record[#record + 2] = field, value end
end
add('idempotency_key', ARGS.idempotency_key)
add('traceparent', ARGS.traceparent)
add('retry_of', ARGS.retry_of)
add('owner', CALLER ~= '' and CALLER)
add('folder', result_id)
add('first', inherited.first)
add('last', inherited.last)
set_fields(id, unpack(record))
add_to_indexes(id, 'QUEUED', CALLER)
keep_record(id, CALLER, result_id)
if idempotency then redis.call('SET', idempotency, id, 'PX', IDEMPOTENCY_TTL_MS) end
increment_counter('submissions', ARGS.queue, 'created')
-- No event: nothing can have subscribed to an id that did not exist.
-- The caller knows the rest of a new record. Its position: all queued jobs are older.
return { 'outcome', 'created', 'id', id, 'now', NOW, 'position', queued, 'max_attempts', MAX_ATTEMPTS }
