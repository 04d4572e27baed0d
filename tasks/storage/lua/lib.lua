-- Shared by all scripts. tasks/storage/scripts.py puts the definitions that a script uses in front of it, after the
-- constants and arguments: a definition begins with `local` at the start of a line. Keys: see tasks/storage/keys.py.
-- KEYS[1] is the key prefix, ARGS has the arguments of the call; those that are missing are nil.
-- Replies are named fields as flat lists, names and values in turn; false stands for a value that is missing.
-- Integers above 2^43 (starts, primes) are passed as strings: Lua prints numbers with 14 digits.

local PREFIX = KEYS[1]

-- The clock of all scripts, in milliseconds.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local NOW = clock()

local TRANSITIONS = {
  QUEUED = { RUNNING = true, CANCELLED = true },
  RUNNING = { QUEUED = true, SUCCEEDED = true, FAILED = true, CANCELLED = true },
}

-- For the caller's telemetry: snapshots of jobs that this script ended, and attempts that it found lost.
local ENDED_JOBS, LOST_ATTEMPTS = {}, {}

-- Keys that several jobs share live twice as long as the last job that they can refer to. A clock that is set back moves
-- the ends of later times-to-live before those of earlier ones: an index must not expire before a job that is in it.
local function renew_ttl(key) redis.call('PEXPIRE', key, 2 * JOB_TTL_MS) end

-- Totals for metrics, counted in the step that acts, so they stay exact when a process is killed.
-- tasks/api/store_metrics.py lists the names.
-- The time-to-live of all is renewed with every 16th increment of one, and by the reconciler.
local function increment_counter(...)
  local total = redis.call('HINCRBY', PREFIX .. 'counters', table.concat({ ... }, ' '), 1)
  if total % 16 == 1 then renew_ttl(PREFIX .. 'counters') end
end

-- Records.

local function job_key(id) return PREFIX .. 'job:' .. id end
local function segments_key(id) return PREFIX .. 'job:' .. id .. ':segments' end
local function get_field(id, field) return redis.call('HGET', job_key(id), field) end
local function set_fields(id, ...) redis.call('HSET', job_key(id), ...) end

-- Several fields of a record by name; false: not set. One command, where get_field needs one for each.
local function read_fields(id, ...)
  local names, values, found = { ... }, redis.call('HMGET', job_key(id), ...), {}
  for i, name in ipairs(names) do found[name] = values[i] end
  return found
end

-- Owners. '' stands for no owner: jobs submitted without authentication have no such field.

local CALLER = ARGS.owner or ''
local function owner_of(id) return get_field(id, 'owner') or '' end
local function is_owned_by_caller(id) return owner_of(id) == CALLER end
local function owner_key(owner, name) return PREFIX .. 'owner:' .. owner .. ':' .. name end

-- Ids. Members of sorted sets are joined and split here. A job id is a UUID version 7: 36 characters that begin with
-- the server's time of its creation in milliseconds.

local function segment_member(id, index) return id .. ':' .. index end
local function split_segment_member(member) return string.sub(member, 1, 36), tonumber(string.sub(member, 38)) end

local function expiry_member(id, owner) return owner == '' and id or id .. ' ' .. owner end
local function split_expiry_member(member) return string.sub(member, 1, 36), string.sub(member, 38) end

local function time_prefix(ms)
  local hex = string.format('%012x', ms)
  return string.sub(hex, 1, 8) .. '-' .. string.sub(hex, 9)
end
local function creation_time(id) return tonumber(string.sub(id, 1, 8) .. string.sub(id, 10, 13), 16) end

-- Indexes: ids by status and owner. Open jobs of owners are also in one index for all owners, for the queue position.

local function status_key(status, owner)
  if owner == '' then return PREFIX .. 'jobs:' .. status end
  return owner_key(owner, 'jobs:' .. status)
end

local function all_owners_key(status) return PREFIX .. 'owned:' .. status end

local function add_to_index(key, id)
  redis.call('ZADD', key, 0, id)
  renew_ttl(key)
end

local function add_to_indexes(id, status, owner)
  add_to_index(status_key(status, owner), id)
  if owner ~= '' and not FINAL[status] then add_to_index(all_owners_key(status), id) end
end

local function remove_from_indexes(id, status, owner)
  redis.call('ZREM', status_key(status, owner), id)
  if owner ~= '' then redis.call('ZREM', all_owners_key(status), id) end
end

-- Removes jobs whose records have expired from the indexes.
local function remove_expired_jobs()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', PREFIX .. 'expiry', '-inf', NOW, 'LIMIT', 0, 100)) do
    local id, owner = split_expiry_member(member)
    for _, status in ipairs(STATUSES) do remove_from_indexes(id, status, owner) end
    redis.call('ZREM', PREFIX .. 'expiry', member)
  end
end

-- Transitions and events.

local function move_in_indexes(id, owner, from, to)
  remove_from_indexes(id, from, owner)
  add_to_indexes(id, to, owner)
end

-- Returns false if the job's status does not allow the transition.
local function transition(id, to)
  local from = get_field(id, 'status')
  if not TRANSITIONS[from] or not TRANSITIONS[from][to] then return false end
  move_in_indexes(id, owner_of(id), from, to)
  set_fields(id, 'status', to)
  return true
end

-- Keeps files for some time from now; with `at_least`, not shorter than before. Files shared with a retry are kept until
-- the latest time of any job.
local function keep_files(result_id, at_least, for_ms)
  if at_least then
    redis.call('ZADD', PREFIX .. 'folders', 'GT', NOW + for_ms, result_id)
  else
    redis.call('ZADD', PREFIX .. 'folders', NOW + for_ms, result_id)
  end
  renew_ttl(PREFIX .. 'folders')
end

-- Keeps a job's record for its time-to-live from now, and the files of an open job at least as long.
local function keep_record(id, owner, open_result_id)
  if open_result_id then keep_files(open_result_id, true, JOB_TTL_MS) end
  redis.call('PEXPIRE', job_key(id), JOB_TTL_MS)
  redis.call('PEXPIRE', segments_key(id), JOB_TTL_MS)
  redis.call('ZADD', PREFIX .. 'expiry', NOW + JOB_TTL_MS, expiry_member(id, owner))
  renew_ttl(PREFIX .. 'expiry')
end

local function publish_event(id, version)
  redis.call('PUBLISH', PREFIX .. 'events', id .. ' ' .. version .. ' ' .. NOW)
end

-- Raises the version and publishes the event. Every script that changed something visible does so once, at its end.
local function publish_change(id)
  local version = redis.call('HINCRBY', job_key(id), 'version', 1)
  local job = read_fields(id, 'status', 'owner', 'folder')
  keep_record(id, job.owner or '', not FINAL[job.status] and job.folder)
  publish_event(id, version)
end

-- Segments and messages.

local function load_segment(id, index)
  local raw = redis.call('HGET', segments_key(id), index)
  if raw then return cjson.decode(raw) end
  return { state = 'queued', token = 0, lost = 0, sends = 0 }
end

local function save_segment(id, index, segment)
  redis.call('HSET', segments_key(id), index, cjson.encode(segment))
end

-- Called by workers' scripts before any other write. A server at maxmemory refuses a script whose first write needs
-- memory, and lets a script continue that has written already. Renewing a time-to-live needs none. So new jobs are
-- refused, while accepted jobs can still end, which frees memory.
local function allow_out_of_memory() renew_ttl(PREFIX .. 'leases') end

-- Returns the segment of ARGS.job and ARGS.index if ARGS.token still holds it; otherwise counts a fenced write of this
-- script and returns nil. The token increases with every claim, so a worker that lost its
-- segment to another is refused however late it writes.
local function require_lease()
  local segment = load_segment(ARGS.job, ARGS.index)
  if segment.state == 'leased' and segment.token == ARGS.token and get_field(ARGS.job, 'status') == 'RUNNING' then
    return segment
  end
  increment_counter('fenced', SCRIPT)
  return nil
end

-- Puts the message of a segment into its queue. The queue's time-to-live is renewed by the reconciler: a queue that
-- expires because no worker runs is like one that lost its messages.
local function push_message(id, index, sends, queue, traceparent)
  local message = message_text(id, index, sends, queue, traceparent)
  if redis.call('LPUSH', PREFIX .. queue, message) == 1 then renew_ttl(PREFIX .. queue) end
  redis.call('ZADD', PREFIX .. 'sent:' .. queue, NOW, segment_member(id, index))
  renew_ttl(PREFIX .. 'sent:' .. queue)
end

-- Sends a queued segment. A worker may already have one that is about to be sent for the first time: it took the message
-- of a send that the store has lost in a restart.
local function send_segment(id, index, segment)
  if segment.state == 'leased' then return end
  segment.sends = segment.sends + 1
  save_segment(id, index, segment)
  local queue, traceparent = unpack(redis.call('HMGET', job_key(id), 'queue', 'traceparent'))
  push_message(id, index, segment.sends, queue, traceparent)
end

-- Sends the next segments that are not done, at most `limit`.
local function send_next_segments(id, limit)
  local segments, index = tonumber(get_field(id, 'segments')), tonumber(get_field(id, 'next'))
  while limit > 0 and index < segments do
    local segment = load_segment(id, index)
    if segment.state ~= 'done' then
      send_segment(id, index, segment)
      limit = limit - 1
    end
    index = index + 1
  end
  set_fields(id, 'next', index)
end

-- Removes a job's leases and queued messages.
local function withdraw_segments(id)
  local queue, traceparent = unpack(redis.call('HMGET', job_key(id), 'queue', 'traceparent'))
  local all = redis.call('HGETALL', segments_key(id))
  for i = 1, #all, 2 do
    local index = all[i]
    redis.call('ZREM', PREFIX .. 'leases', segment_member(id, index))
    if redis.call('ZREM', PREFIX .. 'sent:' .. queue, segment_member(id, index)) == 1 then
      local message = message_text(id, index, cjson.decode(all[i + 1]).sends, queue, traceparent)
      redis.call('LREM', PREFIX .. queue, 1, message)
    end
  end
  set_fields(id, 'leased', 0)
end

-- The end of a job.

-- A job that ended without a completed segment has nothing to read. Workers that still write get this long to finish.
local UNREADABLE_FILES_MS = 60000

-- Moves a job to a final status. Returns false if its status does not allow that.
local function finish_job(id, status, reason)
  if not transition(id, status) then return false end
  withdraw_segments(id)
  redis.call('ZREM', PREFIX .. 'deadlines', id)
  set_fields(id, 'finished_at', NOW)
  local is_readable = tonumber(get_field(id, 'segments_done')) > 0
  if is_readable then set_fields(id, 'result_expires_at', NOW + RESULT_TTL_MS) end
  local result_id, retried = unpack(redis.call('HMGET', job_key(id), 'folder', 'retried'))
  if result_id then keep_files(result_id, result_id ~= id or retried, is_readable and RESULT_TTL_MS or UNREADABLE_FILES_MS) end
  increment_counter('finished', get_field(id, 'queue'), status, reason)
  return true
end

-- To be called once the record is complete.
local function report_end(id)
  table.insert(ENDED_JOBS, { 'now', NOW, 'record', redis.call('HGETALL', job_key(id)) })
end

-- Fails a job that is RUNNING: one that has a lease is.
local function fail_job(id, reason, text)
  finish_job(id, 'FAILED', reason)
  set_fields(id, 'failure_reason', reason, 'failure_message', text)
  publish_change(id)
  report_end(id)
end

-- Lost and released segments.

-- Takes a segment from its worker, so that it can be claimed again. Does not send it.
local function release_lease(id, index, segment)
  redis.call('ZREM', PREFIX .. 'leases', segment_member(id, index))
  segment.state = 'queued'
  segment.claim, segment.worker = nil, nil
  save_segment(id, index, segment)
  if redis.call('HINCRBY', job_key(id), 'leased', -1) == 0 then transition(id, 'QUEUED') end
end

-- Records that the lease of a segment expired. Returns false if that was its last attempt, which fails the job.
local function lose_attempt(id, index, segment)
  segment.lost = segment.lost + 1
  increment_counter('leases_expired')
  table.insert(LOST_ATTEMPTS, {
    'job', id, 'index', index, 'attempt', segment.lost, 'claimed_ms', segment.claimed_at or NOW, 'lost_ms', NOW,
    'traceparent', get_field(id, 'traceparent'),
  })
  local allowed = tonumber(get_field(id, 'max_attempts'))
  if segment.lost >= allowed then
    local text = 'segment ' .. index .. ' lost its worker in ' .. segment.lost .. ' of ' .. allowed .. ' attempts'
    fail_job(id, 'WORKER_LOST', text)
    return false
  end
  set_fields(id, 'attempt', math.max(tonumber(get_field(id, 'attempt')), segment.lost + 1))
  release_lease(id, index, segment)
  return true
end

-- Reading.

-- Number of jobs ahead of a queued job, of any owner; false: not queued.
local function queue_position(id)
  local unowned, owned = status_key('QUEUED', ''), all_owners_key('QUEUED')
  local rank, other_index = redis.call('ZRANK', unowned, id), owned
  if not rank then rank, other_index = redis.call('ZRANK', owned, id), unowned end
  return rank and rank + redis.call('ZLEXCOUNT', other_index, '-', '(' .. id) or false
end

-- A job for `records.parse_job`; false: no such job.
local function snapshot(id)
  local record = redis.call('HGETALL', job_key(id))
  if #record == 0 then return false end
  return { 'now', NOW, 'position', queue_position(id), 'record', record }
end

local function count_with_status(status)
  return redis.call('ZCARD', status_key(status, '')) + redis.call('ZCARD', all_owners_key(status))
end

-- For `records.parse_queue`: numbers of jobs, age of the oldest queued job, and moving average of run times.
local function queue_stats()
  local oldest = redis.call('ZRANGE', status_key('QUEUED', ''), 0, 0)[1]
  local owned = redis.call('ZRANGE', all_owners_key('QUEUED'), 0, 0)[1]
  if not oldest or (owned and owned < oldest) then oldest = owned end
  return {
    'queued', count_with_status('QUEUED'),
    'running', count_with_status('RUNNING'),
    'capacity', CAPACITY,
    'oldest_ms', oldest and math.max(0, NOW - creation_time(oldest)) or false,
    'pace_ms', tonumber(redis.call('GET', PREFIX .. 'pace')) or false,
  }
end
