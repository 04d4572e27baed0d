-- Completes a segment whose primes are stored. The last segment to be completed ends the job in the same step. With
-- ARGS.nonce, also takes the next message from the queue of small jobs, and claims its segment for the same worker.
-- Arguments and reply: CompleteSegment. ARGV[2]: the delta-coded primes of a small job; empty for jobs with files.

-- Messages whose segments cannot be claimed (repeated ones, for example) that one call discards.
local MAX_STALE_MESSAGES = 8

-- Returns the claim of the first message in the queue whose segment can be claimed; false: none.
local function claim_next()
  for _ = 1, MAX_STALE_MESSAGES do
    local message = redis.call('RPOP', PREFIX .. SMALL_QUEUE)
    if not message then return false end
    local member = string.match(message, '"id":%s*"([%x-]+:%d+)"')
    if not member then
      -- Not a message of ours: left to Celery.
      redis.call('RPUSH', PREFIX .. SMALL_QUEUE, message)
      renew_ttl(PREFIX .. SMALL_QUEUE)
      return false
    end
    local claim = claim_segment(split_segment_member(member))
    if claim then return claim end
  end
  return false
end

-- The first call completed the segment and claimed another one, and its reply was lost: returns that claim again.
local function claim_of_first_call()
  for _, member in ipairs(redis.call('ZRANGE', PREFIX .. 'leases', 0, -1)) do
    local id, index = split_segment_member(member)
    if load_segment(id, index).claim == ARGS.nonce then return claim_segment(id, index) end
  end
  return false
end

-- The digests of all segments, in order. Returns nil if one is missing: a worker of an older version completed it.
local function joined_digests(segments)
  local digests = {}
  for index = 0, segments - 1 do
    local digest = index == ARGS.index and ARGS.digest or load_segment(ARGS.job, index).digest
    if not digest then return nil end
    digests[index + 1] = digest
  end
  return table.concat(digests)
end

allow_out_of_memory()
local segment = require_lease()
if not segment then
  local repeated = ARGS.nonce and claim_of_first_call() or false
  return { 'fenced', true, 'next', repeated, 'lost_attempts', LOST_ATTEMPTS, 'ended_jobs', ended_snapshots() }
end

local segments = tonumber(get_field(ARGS.job, 'segments'))
segment.state, segment.claim, segment.last, segment.digest = 'done', nil, ARGS.last, ARGS.digest
save_segment(ARGS.job, ARGS.index, segment)
redis.call('ZREM', PREFIX .. 'leases', segment_member(ARGS.job, ARGS.index))
redis.call('HINCRBY', job_key(ARGS.job), 'leased', -1)
redis.call('HINCRBY', job_key(ARGS.job), 'done', ARGS.length)

local prefix = tonumber(get_field(ARGS.job, 'prefix'))
while prefix < segments and load_segment(ARGS.job, prefix).state == 'done' do prefix = prefix + 1 end
set_fields(ARGS.job, 'prefix', prefix)

local is_last = redis.call('HINCRBY', job_key(ARGS.job), 'segments_done', 1) == segments
if ARGS.index == 0 then set_fields(ARGS.job, 'first', ARGS.first) end
if ARGS.index == segments - 1 then set_fields(ARGS.job, 'last', ARGS.last) end
if is_last then
  if ARGV[2] ~= '' then redis.call('SET', job_key(ARGS.job) .. ':result', ARGV[2], 'PX', ARGS.result_ttl_ms) end
  local digests = joined_digests(segments)
  if digests then set_fields(ARGS.job, 'digests', digests) end
  finish_job(ARGS.job, 'SUCCEEDED')
  -- Moving average of run times over about the last 20 jobs, for the estimated wait.
  local run_time = NOW - tonumber(get_field(ARGS.job, 'started_at'))
  local pace = tonumber(redis.call('GET', PREFIX .. 'pace') or run_time)
  local average = string.format('%.3f', pace + (run_time - pace) / 20)
  redis.call('SET', PREFIX .. 'pace', average, 'PX', ARGS.job_ttl_ms)
else
  send_next_segments(ARGS.job, 1)
end
publish_change(ARGS.job)
local following = ARGS.nonce and claim_next() or false
return { 'next', following, 'lost_attempts', LOST_ATTEMPTS, 'ended_jobs', ended_snapshots() }
