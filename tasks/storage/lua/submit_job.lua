-- Accept a job: idempotency key, admission, record, index, first messages and event, or nothing at all.
-- A: count, start, segments, window, queue, small_queue, uuid_tail, capacity, max_attempts, message, and where they are known
-- owner, open_jobs and open_count (what an owner may have open), idempotency_key, idempotency_ttl_ms, traceparent, retry_of.
-- Returns {'created' | 'replayed' | 'conflict', snapshot}, {'full', queue statistics}, {'limited', what}, {'refused', snapshot} or {'unknown'}.

-- A retried job goes on in the folder of the one before it, if its files are still to be kept for a while.
local INHERITED = { 'done', 'segments_done', 'prefix', 'first', 'last' }
local function inherit(id, from)
  local folder = get(from, 'folder')
  local kept_until = folder and redis.call('ZSCORE', P .. 'folders', folder)
  if not kept_until or tonumber(kept_until) < NOW + 1000 then return end
  set(id, 'folder', folder)
  set(from, 'retried', 1)
  for _, field in ipairs(INHERITED) do
    local value = get(from, field)
    if value then set(id, field, value) end
  end
  local segments = redis.call('HGETALL', segments_key(from))
  for i = 1, #segments, 2 do
    if cjson.decode(segments[i + 1]).state == 'done' then
      redis.call('HSET', segments_key(id), segments[i], segments[i + 1])
    end
  end
end

-- Each owner has keys of their own.
local idempotency = A.idempotency_key and 'idempotency:' .. A.idempotency_key
if idempotency then idempotency = ASKS == '' and P .. idempotency or owners_key(ASKS, idempotency) end
local known = idempotency and redis.call('GET', idempotency)
if known and redis.call('EXISTS', job_key(known)) == 1 then
  local same = get(known, 'count') == A.count and get(known, 'start') == A.start
  local outcome = same and 'replayed' or 'conflict'
  count('submissions', get(known, 'queue'), outcome)
  return { outcome, snapshot(known) }
end

if A.retry_of then
  local status = get(A.retry_of, 'status')
  if not status or not is_theirs(A.retry_of) then return { 'unknown' } end
  if status ~= 'FAILED' and status ~= 'CANCELLED' then return { 'refused', snapshot(A.retry_of) } end
  A.count, A.start = get(A.retry_of, 'count'), get(A.retry_of, 'start')
  A.segments, A.queue = tonumber(get(A.retry_of, 'segments')), get(A.retry_of, 'queue')
end

prune()

-- Counted anew each time, and so never wrong: an owner has no more open jobs than this lets in.
if A.open_jobs then
  local open, primes = 0, 0
  for _, status in ipairs({ 'QUEUED', 'RUNNING' }) do
    for _, mine in ipairs(redis.call('ZRANGE', index_key(status, ASKS), 0, -1)) do
      open, primes = open + 1, primes + tonumber(get(mine, 'count') or 0)
    end
  end
  local limit = open >= A.open_jobs and open .. ' jobs'
  if not limit and primes + tonumber(A.count) > A.open_count then limit = string.format('jobs for %.0f primes', primes) end
  if limit then
    count('submissions', A.queue, 'limited')
    return { 'limited', limit }
  end
end

if with_status('QUEUED') + with_status('RUNNING') >= A.capacity then
  count('submissions', A.queue, 'full')
  return { 'full', queue_stats() }
end

local stamp = string.format('%012x', NOW)
local id = string.sub(stamp, 1, 8) .. '-' .. string.sub(stamp, 9, 12) .. '-' .. A.uuid_tail

set(id, 'format', FORMAT, 'id', id, 'status', 'QUEUED', 'version', 0, 'count', A.count, 'start', A.start, 'segments', A.segments,
  'segments_done', 0, 'done', 0, 'prefix', 0, 'leased', 0, 'next', 0, 'queue', A.queue, 'created_at', NOW,
  'attempt', 1, 'max_attempts', A.max_attempts)
if A.idempotency_key then set(id, 'idempotency_key', A.idempotency_key) end
if A.traceparent then set(id, 'traceparent', A.traceparent) end
if A.retry_of then set(id, 'retry_of', A.retry_of) end
if ASKS ~= '' then set(id, 'owner', ASKS) end
enlist(id, 'QUEUED', ASKS)
if idempotency then redis.call('SET', idempotency, id, 'PX', A.idempotency_ttl_ms) end

-- Big jobs send a few segments at a time, and each one done sends the next: so they take turns in the queue.
if A.queue ~= A.small_queue then set(id, 'folder', id) end
if A.retry_of then inherit(id, A.retry_of) end
keep_files(id, A.job_ttl_ms)
send_following(id, A.window)
count('submissions', A.queue, 'created')
changed(id)
return { 'created', snapshot(id) }
