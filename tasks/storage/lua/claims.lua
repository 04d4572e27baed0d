-- Claiming, for claim_segment and complete_segment. Shared by all scripts, after lib.lua.

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

-- Claims a segment for ARGS.worker. Returns the claim for `Claim.from_reply`; false: refused. A repeated call has the
-- same ARGS.nonce and gets the same claim.
local function claim_segment(id, index)
  local status = get_field(id, 'status')
  if not status or FINAL[status] then return false end
  -- A record of a newer version is left to that version's workers: the message is sent again until one of them takes it.
  if get_field(id, 'format') ~= RECORD_FORMAT then return false end

  local segment = load_segment(id, index)
  if segment.state == 'done' then return false end
  local expires = redis.call('ZSCORE', PREFIX .. 'leases', segment_member(id, index))
  local waited = false
  local is_repeated_call = expires and segment.claim == ARGS.nonce

  if not is_repeated_call then
    if expires and tonumber(expires) > NOW then return false end
    -- The lease has expired, and this message came before the reconciler noticed.
    if expires and not lose_attempt(id, index, segment) then return false end

    segment.state, segment.claim, segment.token = 'leased', ARGS.nonce, segment.token + 1
    segment.claimed_at, segment.worker = NOW, ARGS.worker
    save_segment(id, index, segment)
    redis.call('ZREM', PREFIX .. 'sent:' .. get_field(id, 'queue'), segment_member(id, index))
    redis.call('ZADD', PREFIX .. 'leases', NOW + ARGS.lease_ms, segment_member(id, index))
    renew_ttl(PREFIX .. 'leases')
    redis.call('HINCRBY', job_key(id), 'leased', 1)
    local is_started = transition(id, 'RUNNING')
    increment_counter('claims', get_field(id, 'queue'))
    if is_started and not get_field(id, 'started_at') then
      set_fields(id, 'started_at', NOW)
      redis.call('ZADD', PREFIX .. 'deadlines', NOW + ARGS.time_limit_ms, id)
      renew_ttl(PREFIX .. 'deadlines')
      waited = NOW - tonumber(get_field(id, 'created_at'))
    end
    -- A lost lease has raised the attempt, which is visible too.
    if is_started or expires then publish_change(id) end
  end
  local segments_before, last_before = nearest_completed_segment(id, index)
  return {
    'job', id,
    'index', index,
    'token', segment.token,
    'attempt', segment.lost + 1,
    'count', get_field(id, 'count'),
    'start', get_field(id, 'start'),
    'result_id', get_field(id, 'folder'),
    'waited_ms', waited,
    'traceparent', get_field(id, 'traceparent'),
    'segments_before', segments_before,
    'last_before', last_before,
  }
end
