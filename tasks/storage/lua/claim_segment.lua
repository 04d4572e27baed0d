-- Claims a segment for a worker. Arguments and reply: ClaimSegment. A repeated call has the same nonce.

-- Segments complete roughly in order. Counting from a segment further back than this saves little.
local MAX_DISTANCE = 64
-- Returns the number of segments up to the nearest completed one before this one, and its last prime; 0 and false: none.
local function nearest_completed_segment(index)
  for before = index - 1, math.max(0, index - MAX_DISTANCE), -1 do
    local segment = load_segment(ARGS.job, before)
    if segment.state == 'done' and segment.last then return before + 1, segment.last end
  end
  return 0, false
end

local function reply(claim)
  return { 'claim', claim, 'lost_attempts', LOST_ATTEMPTS, 'ended_jobs', ended_snapshots() }
end

allow_out_of_memory()
local status = get_field(ARGS.job, 'status')
if not status or FINAL[status] then return reply(false) end
-- A record of a newer version is left to that version's workers: the message is sent again until one of them takes it.
if get_field(ARGS.job, 'format') ~= RECORD_FORMAT then return reply(false) end

local segment = load_segment(ARGS.job, ARGS.index)
if segment.state == 'done' then return reply(false) end
local expires = redis.call('ZSCORE', PREFIX .. 'leases', segment_member(ARGS.job, ARGS.index))
local waited = false
local is_repeated_call = expires and segment.claim == ARGS.nonce

if not is_repeated_call then
  if expires and tonumber(expires) > NOW then return reply(false) end
  -- The lease has expired, and this message came before the reconciler noticed.
  if expires and not lose_attempt(ARGS.job, ARGS.index, segment) then return reply(false) end

  segment.state, segment.claim, segment.token = 'leased', ARGS.nonce, segment.token + 1
  segment.claimed_at, segment.worker = NOW, ARGS.worker
  save_segment(ARGS.job, ARGS.index, segment)
  redis.call('ZREM', PREFIX .. 'sent:' .. get_field(ARGS.job, 'queue'), segment_member(ARGS.job, ARGS.index))
  redis.call('ZADD', PREFIX .. 'leases', NOW + ARGS.lease_ms, segment_member(ARGS.job, ARGS.index))
  renew_ttl(PREFIX .. 'leases')
  redis.call('HINCRBY', job_key(ARGS.job), 'leased', 1)
  local is_started = transition(ARGS.job, 'RUNNING')
  increment_counter('claims', get_field(ARGS.job, 'queue'))
  if is_started and not get_field(ARGS.job, 'started_at') then
    set_fields(ARGS.job, 'started_at', NOW)
    redis.call('ZADD', PREFIX .. 'deadlines', NOW + ARGS.time_limit_ms, ARGS.job)
    renew_ttl(PREFIX .. 'deadlines')
    waited = NOW - tonumber(get_field(ARGS.job, 'created_at'))
  end
  -- A lost lease has raised the attempt, which is visible too.
  if is_started or expires then publish_change(ARGS.job) end
end
local segments_before, last_before = nearest_completed_segment(ARGS.index)
return reply({
  'token', segment.token,
  'attempt', segment.lost + 1,
  'count', get_field(ARGS.job, 'count'),
  'start', get_field(ARGS.job, 'start'),
  'result_id', get_field(ARGS.job, 'folder'),
  'waited_ms', waited,
  'segments_before', segments_before,
  'last_before', last_before,
})
