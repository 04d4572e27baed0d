-- A worker takes a segment. A: job, index, claim (a nonce: asking twice gets the same answer), worker, lease_ms,
-- time_limit_ms, message.
-- Returns {{token, count, start, attempt, milliseconds since submission if this is the job's first claim, else -1, folder,
-- the nearest segment before it that is done, or -1, and its last prime},
-- or nothing when there is nothing to do here; attempts given up; jobs ended}.

-- Segments are done in about their order: further back than this, counting from there saves little.
local NEAR = 64
local function nearest_done(index)
  for before = index - 1, math.max(0, index - NEAR), -1 do
    local segment = load_segment(A.job, before)
    if segment.state == 'done' and segment.last then return before, segment.last end
  end
  return -1, ''
end

local status = get(A.job, 'status')
if not status or FINAL[status] then return { false, LOST, {} } end
-- Written by a newer version: left to its workers. The message is sent again until one of them gets it.
if get(A.job, 'format') ~= FORMAT then return { false, LOST, {} } end

local segment = load_segment(A.job, A.index)
if segment.state == 'done' then return { false, LOST, {} } end
local expires = redis.call('ZSCORE', P .. 'leases', member(A.job, A.index))
local waited = -1
local reply_lost = expires and segment.claim == A.claim

if not reply_lost then
  if expires and tonumber(expires) > NOW then return { false, LOST, {} } end
  -- The message was repeated before anybody saw that the lease had run out.
  if expires and not lose(A.job, A.index, segment) then return { false, LOST, ended() } end

  segment.state, segment.claim, segment.token = 'leased', A.claim, segment.token + 1
  segment.claimed_at, segment.worker = NOW, A.worker
  save_segment(A.job, A.index, segment)
  redis.call('ZREM', P .. 'sent:' .. get(A.job, 'queue'), member(A.job, A.index))
  redis.call('ZADD', P .. 'leases', NOW + A.lease_ms, member(A.job, A.index))
  keep(P .. 'leases')
  redis.call('HINCRBY', job_key(A.job), 'leased', 1)
  local moved = move(A.job, 'RUNNING')
  count('claims', get(A.job, 'queue'))
  if moved and not get(A.job, 'started_at') then
    set(A.job, 'started_at', NOW)
    redis.call('ZADD', P .. 'deadlines', NOW + A.time_limit_ms, A.job)
    keep(P .. 'deadlines')
    waited = NOW - tonumber(get(A.job, 'created_at'))
  end
  -- A lost lease has raised the attempt, which callers see.
  if moved or expires then changed(A.job) end
end
local near, last = nearest_done(tonumber(A.index))
return { { segment.token, get(A.job, 'count'), get(A.job, 'start'), segment.lost + 1, waited,
  get(A.job, 'folder') or '', near, last }, LOST, ended() }
