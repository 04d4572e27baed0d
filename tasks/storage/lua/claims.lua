-- Claiming, for claim_segment, claim_next_segment and complete_segment. Shared by all scripts, after lib.lua.

-- Segments complete roughly in order. Counting from a segment further back than this saves little.
local MAX_DISTANCE = 64

-- Returns the number of segments up to the nearest completed one before this one, and its last prime; 0 and false: none.
local function nearest_completed_segment(id, index)
  for before = index - 1, math.max(0, index - MAX_DISTANCE), -1 do
    local segment = load_segment(id, before)
    if segment.state == 'done' and segment.last then return before + 1, segment.last end
  end
  return 0, false
end

local function read_claimed_job(id)
  return read_fields(id, 'status', 'format', 'version', 'queue', 'owner', 'count', 'start', 'folder', 'leased',
    'created_at', 'started_at', 'traceparent')
end

-- A claim renews the time-to-live of older records only: that of a younger one is still almost the whole.
local YOUNG_MS = JOB_TTL_MS / 100

-- Claims a segment for ARGS.worker. Returns the claim for `Claim.from_reply`; false: refused. A repeated call has the
-- same nonce and gets the same claim. With `first_attempts_only`, refuses a segment that has lost a worker, and returns
-- true as a second value.
local function claim_segment(id, index, nonce, first_attempts_only)
  local job = read_claimed_job(id)
  if not job.status or FINAL[job.status] then return false end
  -- A record of a newer version is left to that version's workers: the message is sent again until one of them takes it.
  if job.format ~= RECORD_FORMAT then return false end

  local segment, member = load_segment(id, index), segment_member(id, index)
  if segment.state == 'done' then return false end
  if first_attempts_only and segment.lost > 0 then return false, true end
  local expires = redis.call('ZSCORE', PREFIX .. 'leases', member)
  local waited = false
  local is_repeated_call = expires and segment.claim == nonce

  if not is_repeated_call then
    if expires then
      if tonumber(expires) > NOW then return false end
      -- The lease has expired, and this message came before the reconciler noticed.
      if not lose_attempt(id, index, segment) then return false end
      job = read_claimed_job(id)
    end

    segment.state, segment.claim, segment.token = 'leased', nonce, segment.token + 1
    segment.claimed_at, segment.worker = NOW, ARGS.worker
    save_segment(id, index, segment)
    redis.call('ZREM', PREFIX .. 'sent:' .. job.queue, member)
    redis.call('ZADD', PREFIX .. 'leases', NOW + ARGS.lease_ms, member)
    renew_ttl(PREFIX .. 'leases')
    increment_counter('claims', job.queue)
    local changes = { 'leased', job.leased + 1 }
    local function change(field, value) changes[#changes + 1], changes[#changes + 2] = field, value end
    local is_started = job.status == 'QUEUED'
    if is_started then
      move_in_indexes(id, job.owner or '', 'QUEUED', 'RUNNING')
      change('status', 'RUNNING')
    end
    if is_started and not job.started_at then
      change('started_at', NOW)
      redis.call('ZADD', PREFIX .. 'deadlines', NOW + ARGS.time_limit_ms, id)
      renew_ttl(PREFIX .. 'deadlines')
      waited = NOW - job.created_at
    end
    -- A lost lease has raised the attempt, which is visible too.
    local is_visible = is_started or expires
    if is_visible then change('version', job.version + 1) end
    set_fields(id, unpack(changes))
    if is_visible then
      if NOW - job.created_at > YOUNG_MS then keep_record(id, job.owner or '', job.folder) end
      publish_event(id, job.version + 1)
    end
  end
  local segments_before, last_before = nearest_completed_segment(id, index)
  return {
    'job', id,
    'index', index,
    'token', segment.token,
    'attempt', segment.lost + 1,
    'count', job.count,
    'start', job.start,
    'result_id', job.folder,
    'waited_ms', waited,
    'traceparent', job.traceparent,
    'segments_before', segments_before,
    'last_before', last_before,
  }
end

-- Messages whose segments cannot be claimed (repeated ones, for example) that one call discards.
local MAX_STALE_MESSAGES = 8

-- Puts back a message that was just popped: Celery takes it next.
local function leave_to_celery(queue, message)
  redis.call('RPUSH', PREFIX .. queue, message)
  renew_ttl(PREFIX .. queue)
end

-- Claims the segment of the first message in a queue whose segment can be claimed. Returns the claim; false: none. A
-- repeated call, whose reply was lost, gets the first call's claim. Workers hold several small segments, so one that may
-- be what kills workers is left to Celery, which starts a task for it.
local function claim_from_queue(queue, nonce, is_repeated)
  if is_repeated then
    for _, member in ipairs(redis.call('ZRANGE', PREFIX .. 'leases', 0, -1)) do
      local id, index = split_segment_member(member)
      if load_segment(id, index).claim == nonce then return claim_segment(id, index, nonce) end
    end
    return false
  end
  for _ = 1, MAX_STALE_MESSAGES do
    local message = redis.call('RPOP', PREFIX .. queue)
    if not message then return false end
    local member = string.match(message, '"id":%s*"([%x-]+:%d+)"')
    if not member then
      -- Not a message of ours.
      leave_to_celery(queue, message)
      return false
    end
    local id, index = split_segment_member(member)
    local claim, has_lost_worker = claim_segment(id, index, nonce, queue == SMALL_QUEUE)
    if claim then return claim end
    if has_lost_worker then
      leave_to_celery(queue, message)
      return false
    end
  end
  return false
end
