-- Claims a segment for a worker. ARGS: job, index, claim (a nonce: a repeated call gets the same reply), worker,
-- lease_ms, time_limit_ms, message.
-- Returns {claim or false, lost attempts, ended jobs}. The claim is {token, count, start, attempt, milliseconds from
-- submission to the job's first claim (-1: not the first), result id or '', index of the nearest completed segment
-- before this one or -1, its last prime or ''}.

-- Segments complete roughly in order. Counting from a segment further back than this saves little.
local MAX_DISTANCE = 64
local function nearest_completed_segment(index)
  for before = index - 1, math.max(0, index - MAX_DISTANCE), -1 do
    local segment = load_segment(ARGS.job, before)
    if segment.state == 'done' and segment.last then return before, segment.last end
  end
  return -1, ''
end

allow_out_of_memory()
local status = get_field(ARGS.job, 'status')
if not status or FINAL[status] then return { false, LOST_ATTEMPTS, {} } end
-- A record of a newer version is left to that version's workers: the message is sent again until one of them takes it.
if get_field(ARGS.job, 'format') ~= RECORD_FORMAT then return { false, LOST_ATTEMPTS, {} } end

local segment = load_segment(ARGS.job, ARGS.index)
if segment.state == 'done' then return { false, LOST_ATTEMPTS, {} } end
local expires = redis.call('ZSCORE', PREFIX .. 'leases', segment_member(ARGS.job, ARGS.index))
local waited = -1
local is_repeated_call = expires and segment.claim == ARGS.claim

if not is_repeated_call then
  if expires and tonumber(expires) > NOW then return { false, LOST_ATTEMPTS, {} } end
  -- The lease has expired, and this message came before the reconciler noticed.
  if expires and not lose_attempt(ARGS.job, ARGS.index, segment) then
    return { false, LOST_ATTEMPTS, ended_snapshots() }
  end

  segment.state, segment.claim, segment.token = 'leased', ARGS.claim, segment.token + 1
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
local nearest_completed, last_prime = nearest_completed_segment(tonumber(ARGS.index))
return { { segment.token, get_field(ARGS.job, 'count'), get_field(ARGS.job, 'start'), segment.lost + 1, waited,
  get_field(ARGS.job, 'folder') or '', nearest_completed, last_prime }, LOST_ATTEMPTS, ended_snapshots() }
