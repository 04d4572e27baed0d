-- What all scripts share: put before each of them when it is loaded. Keys and record fields: see tasks/storage/records.py.
-- KEYS[1] is the key prefix, ARGV[1] a JSON object of arguments, ARGV[2] bytes where a script says so.
-- Numbers above 2^43 (starts, primes) travel as strings: Lua prints numbers with 14 digits.

local P = KEYS[1]
local A = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local NOW = time[1] * 1000 + math.floor(time[2] / 1000)

-- Of records, as in tasks/storage/records.py.
local FORMAT = '1'

local STATUSES = { 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED' }
local FINAL = { SUCCEEDED = true, FAILED = true, CANCELLED = true }
local MOVES = {
  QUEUED = { RUNNING = true, CANCELLED = true },
  RUNNING = { QUEUED = true, SUCCEEDED = true, FAILED = true, CANCELLED = true },
}

local function job_key(id) return P .. 'job:' .. id end
local function segments_key(id) return P .. 'job:' .. id .. ':segments' end
local function get(id, field) return redis.call('HGET', job_key(id), field) end

-- Whose a job is: '' is nobody in particular, whose jobs have no such field. A.owner, likewise, is who asks.
local ASKS = A.owner or ''
local function owner_of(id) return get(id, 'owner') or '' end
local function is_theirs(id) return owner_of(id) == ASKS end

-- Of jobs that have an owner, the open ones of all are listed once more, for the order of all.
local function owned_key(status) return P .. 'owned:' .. status end
local function owners_key(owner, name) return P .. 'owner:' .. owner .. ':' .. name end
local function index_key(status, owner)
  if owner == '' then return P .. 'jobs:' .. status end
  return owners_key(owner, 'jobs:' .. status)
end
local function set(id, ...) redis.call('HSET', job_key(id), ...) end

-- No key outlives the last job it could be about.
local function keep(key) redis.call('PEXPIRE', key, A.job_ttl_ms) end

-- What was done, counted in the step that does it, so that the count is exact whatever is killed. Names: tasks/api/store_metrics.py.
local function count(...)
  redis.call('HINCRBY', P .. 'counters', table.concat({ ... }, ' '), 1)
  keep(P .. 'counters')
end

-- For the telemetry of the caller: jobs that this step ended, and attempts that it gave up.
local ENDED, LOST = {}, {}

local function list_under(key, id)
  redis.call('ZADD', key, 0, id)
  keep(key)
end

local function enlist(id, status, owner)
  list_under(index_key(status, owner), id)
  if owner ~= '' and not FINAL[status] then list_under(owned_key(status), id) end
end

local function strike(id, status, owner)
  redis.call('ZREM', index_key(status, owner), id)
  if owner ~= '' then redis.call('ZREM', owned_key(status), id) end
end

local function move(id, to)
  local from, owner = get(id, 'status'), owner_of(id)
  if not MOVES[from] or not MOVES[from][to] then return false end
  strike(id, from, owner)
  enlist(id, to, owner)
  set(id, 'status', to)
  return true
end

-- One visible change: every script that changed what a caller can see ends with this, once.
local function changed(id)
  local version = redis.call('HINCRBY', job_key(id), 'version', 1)
  keep(job_key(id))
  keep(segments_key(id))
  local owner = owner_of(id)
  redis.call('ZADD', P .. 'expiry', NOW + A.job_ttl_ms, owner == '' and id or id .. ' ' .. owner)
  keep(P .. 'expiry')
  redis.call('PUBLISH', P .. 'events', id .. ' ' .. version .. ' ' .. NOW)
end

local function member(id, index) return id .. ':' .. index end

local function load_segment(id, index)
  local raw = redis.call('HGET', segments_key(id), index)
  if raw then return cjson.decode(raw) end
  return { state = 'queued', token = 0, lost = 0, sends = 0 }
end

local function save_segment(id, index, segment)
  redis.call('HSET', segments_key(id), index, cjson.encode(segment))
end

-- The same text for the same sending of a segment, so that a message can be found again and taken back.
local function message(id, index, sends)
  local values = {
    job = id, index = tostring(index), tag = member(id, index) .. ':' .. sends,
    queue = get(id, 'queue'), traceparent = get(id, 'traceparent') or '',
  }
  return (string.gsub(A.message, '@(%l+)@', values))
end

local function send(id, index, segment)
  local queue = get(id, 'queue')
  segment.state = 'queued'
  segment.sends = segment.sends + 1
  save_segment(id, index, segment)
  redis.call('LPUSH', P .. queue, message(id, index, segment.sends))
  redis.call('ZADD', P .. 'sent:' .. queue, NOW, member(id, index))
  keep(P .. queue)
  keep(P .. 'sent:' .. queue)
end

-- Send the next segments that are not done, so many at most.
local function send_following(id, limit)
  local segments, index = tonumber(get(id, 'segments')), tonumber(get(id, 'next'))
  while limit > 0 and index < segments do
    local segment = load_segment(id, index)
    if segment.state ~= 'done' then
      send(id, index, segment)
      limit = limit - 1
    end
    index = index + 1
  end
  set(id, 'next', index)
end

-- Nothing of this job waits or is worked on any more.
local function withdraw(id)
  local queue = get(id, 'queue')
  local all = redis.call('HGETALL', segments_key(id))
  for i = 1, #all, 2 do
    local index = all[i]
    redis.call('ZREM', P .. 'leases', member(id, index))
    if redis.call('ZREM', P .. 'sent:' .. queue, member(id, index)) == 1 then
      redis.call('LREM', P .. queue, 1, message(id, index, cjson.decode(all[i + 1]).sends))
    end
  end
  set(id, 'leased', 0)
end

-- Until when the files of a job are kept: as long as it is open, and then as long as they can be read. Those that a
-- retry shares are kept for as long as any of the jobs has asked for.
local function keep_files(id, for_ms)
  local folder = get(id, 'folder')
  if not folder then return end
  local is_shared = folder ~= id or get(id, 'retried')
  if is_shared then
    redis.call('ZADD', P .. 'folders', 'GT', NOW + for_ms, folder)
  else
    redis.call('ZADD', P .. 'folders', NOW + for_ms, folder)
  end
  keep(P .. 'folders')
end

-- Of a job that ended without a finished segment nothing can be read; a while is left to those who are still writing.
local NOTHING_KEPT_MS = 60000

local function finalise(id, status, reason)
  if not move(id, status) then return false end
  withdraw(id)
  redis.call('ZREM', P .. 'deadlines', id)
  set(id, 'finished_at', NOW)
  if tonumber(get(id, 'segments_done')) > 0 then
    set(id, 'result_expires_at', NOW + A.result_ttl_ms)
    keep_files(id, A.result_ttl_ms)
  else
    keep_files(id, NOTHING_KEPT_MS)
  end
  count('finished', get(id, 'queue'), status, reason)
  table.insert(ENDED, id)
  return true
end

local function fail(id, reason, text)
  if finalise(id, 'FAILED', reason) then
    set(id, 'failure_reason', reason, 'failure_message', text)
    changed(id)
  end
end

-- A worker is gone: its segment can be claimed again. Does not send it.
local function unlease(id, index, segment)
  redis.call('ZREM', P .. 'leases', member(id, index))
  segment.state = 'queued'
  segment.claim, segment.worker = nil, nil
  save_segment(id, index, segment)
  if redis.call('HINCRBY', job_key(id), 'leased', -1) == 0 then move(id, 'QUEUED') end
end

-- The lease of a segment ran out. False when that was its last attempt, which ends the job.
local function lose(id, index, segment)
  segment.lost = segment.lost + 1
  count('leases_expired')
  table.insert(LOST, { id, index, segment.lost, segment.claimed_at or NOW, NOW, get(id, 'traceparent') or '' })
  local allowed = tonumber(get(id, 'max_attempts'))
  if segment.lost >= allowed then
    fail(id, 'WORKER_LOST', 'segment ' .. index .. ' was lost by ' .. segment.lost .. ' workers, of ' .. allowed .. ' allowed')
    return false
  end
  set(id, 'attempt', math.max(tonumber(get(id, 'attempt')), segment.lost + 1))
  unlease(id, index, segment)
  return true
end

-- How many jobs are ahead of a queued one, of whomever they are; -1 when it is not queued.
local function position(id)
  local nobodys, owned = index_key('QUEUED', ''), owned_key('QUEUED')
  local ahead, others = redis.call('ZRANK', nobodys, id), owned
  if not ahead then ahead, others = redis.call('ZRANK', owned, id), nobodys end
  return ahead and ahead + redis.call('ZLEXCOUNT', others, '-', '(' .. id) or -1
end

-- What a reader gets: the clock, the record, and how many jobs are ahead (-1: not queued).
local function snapshot(id)
  local record = redis.call('HGETALL', job_key(id))
  if #record == 0 then return false end
  return { NOW, position(id), record }
end

-- The jobs that this step ended, as they are after it.
local function ended()
  local found = {}
  for i, id in ipairs(ENDED) do found[i] = snapshot(id) end
  return found
end

-- Listings forget jobs whose records have expired.
local function prune()
  for _, whose in ipairs(redis.call('ZRANGEBYSCORE', P .. 'expiry', '-inf', NOW, 'LIMIT', 0, 100)) do
    local id, owner = string.sub(whose, 1, 36), string.sub(whose, 38)
    for _, status in ipairs(STATUSES) do strike(id, status, owner) end
    redis.call('ZREM', P .. 'expiry', whose)
  end
end

-- The creation time that an id begins with: ids are UUIDs of version 7, stamped by this server's clock.
local function created_at(id)
  return tonumber(string.sub(id, 1, 8) .. string.sub(id, 10, 13), 16)
end

local function with_status(status)
  return redis.call('ZCARD', index_key(status, '')) + redis.call('ZCARD', owned_key(status))
end

local function queue_stats()
  local oldest = redis.call('ZRANGE', index_key('QUEUED', ''), 0, 0)[1]
  local owned = redis.call('ZRANGE', owned_key('QUEUED'), 0, 0)[1]
  if not oldest or (owned and owned < oldest) then oldest = owned end
  return {
    with_status('QUEUED'),
    with_status('RUNNING'),
    oldest and math.max(0, NOW - created_at(oldest)) or -1,
    tonumber(redis.call('GET', P .. 'pace') or -1),
  }
end
