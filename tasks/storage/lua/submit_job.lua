-- Accepts a job: checks the idempotency key and admission, then writes record, indexes, first messages and event.
-- Arguments and reply: SubmitJob.

-- A retried job continues with the completed segments of the one before, if their files are kept for at least a second.
local INHERITED_FIELDS = { 'done', 'segments_done', 'prefix', 'first', 'last' }
local function inherit_result(id, from)
  local result_id = get_field(from, 'folder')
  local kept_until = result_id and redis.call('ZSCORE', PREFIX .. 'folders', result_id)
  if not kept_until or tonumber(kept_until) < NOW + 1000 then return end
  set_fields(id, 'folder', result_id)
  set_fields(from, 'retried', 1)
  for _, field in ipairs(INHERITED_FIELDS) do
    local value = get_field(from, field)
    if value then set_fields(id, field, value) end
  end
  local segments = redis.call('HGETALL', segments_key(from))
  for i = 1, #segments, 2 do
    if cjson.decode(segments[i + 1]).state == 'done' then
      redis.call('HSET', segments_key(id), segments[i], segments[i + 1])
    end
  end
end

-- Idempotency. Each owner has separate keys.
local idempotency = ARGS.idempotency_key and 'idempotency:' .. ARGS.idempotency_key
if idempotency then idempotency = CALLER == '' and PREFIX .. idempotency or owner_key(CALLER, idempotency) end
local known = idempotency and redis.call('GET', idempotency)
if known and redis.call('EXISTS', job_key(known)) == 1 then
  local is_same = get_field(known, 'count') == ARGS.count and get_field(known, 'start') == ARGS.start
  local outcome = is_same and 'replayed' or 'conflict'
  increment_counter('submissions', get_field(known, 'queue'), outcome)
  return { 'outcome', outcome, 'job', snapshot(known) }
end

if ARGS.retry_of then
  local status = get_field(ARGS.retry_of, 'status')
  if not status or not is_owned_by_caller(ARGS.retry_of) then return { 'outcome', 'unknown' } end
  if status ~= 'FAILED' and status ~= 'CANCELLED' then
    return { 'outcome', 'refused', 'job', snapshot(ARGS.retry_of) }
  end
  ARGS.count, ARGS.start = get_field(ARGS.retry_of, 'count'), get_field(ARGS.retry_of, 'start')
  ARGS.segments, ARGS.queue = tonumber(get_field(ARGS.retry_of, 'segments')), get_field(ARGS.retry_of, 'queue')
end

remove_expired_jobs()

-- Admission. Open jobs are counted each time instead of kept in a counter, which could drift.
if ARGS.open_jobs then
  local open, primes = 0, 0
  for _, status in ipairs({ 'QUEUED', 'RUNNING' }) do
    for _, open_id in ipairs(redis.call('ZRANGE', status_key(status, CALLER), 0, -1)) do
      open, primes = open + 1, primes + tonumber(get_field(open_id, 'count') or 0)
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

if count_with_status('QUEUED') + count_with_status('RUNNING') >= ARGS.capacity then
  increment_counter('submissions', ARGS.queue, 'full')
  return { 'outcome', 'full', 'queue', queue_stats() }
end

local id = time_prefix(NOW) .. '-' .. ARGS.uuid_tail

set_fields(id, 'format', RECORD_FORMAT, 'id', id, 'status', 'QUEUED', 'version', 0, 'count', ARGS.count,
  'start', ARGS.start, 'segments', ARGS.segments, 'segments_done', 0, 'done', 0, 'prefix', 0, 'leased', 0, 'next', 0,
  'queue', ARGS.queue, 'created_at', NOW, 'attempt', 1, 'max_attempts', ARGS.max_attempts)
if ARGS.idempotency_key then set_fields(id, 'idempotency_key', ARGS.idempotency_key) end
if ARGS.traceparent then set_fields(id, 'traceparent', ARGS.traceparent) end
if ARGS.retry_of then set_fields(id, 'retry_of', ARGS.retry_of) end
if CALLER ~= '' then set_fields(id, 'owner', CALLER) end
add_to_indexes(id, 'QUEUED', CALLER)
if idempotency then redis.call('SET', idempotency, id, 'PX', ARGS.idempotency_ttl_ms) end

-- Only large jobs have files.
if ARGS.queue ~= SMALL_QUEUE then set_fields(id, 'folder', id) end
if ARGS.retry_of then inherit_result(id, ARGS.retry_of) end
keep_files(id, ARGS.job_ttl_ms)
-- Large jobs send a few segments first, and another with each one completed, so that jobs take turns in the queue.
send_next_segments(id, SENDING_WINDOW)
increment_counter('submissions', ARGS.queue, 'created')
publish_change(id)
return { 'outcome', 'created', 'job', snapshot(id) }
