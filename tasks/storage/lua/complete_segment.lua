-- Completes a segment whose primes are stored. The last segment to be completed ends the job in the same step. For each
-- of ARGS.nonces, also takes the next message from the queue of small jobs, and claims its segment for the same worker.
-- Arguments and reply: CompleteSegment.

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

-- A repeated call gets the first call's claims.
local function claim_next(is_repeated)
  local claims = {}
  for _, nonce in ipairs(ARGS.nonces) do
    local claim = claim_from_queue(SMALL_QUEUE, nonce, is_repeated)
    if not claim then break end
    claims[#claims + 1] = claim
  end
  return claims
end

allow_out_of_memory()
local segment = require_lease()
if not segment then
  return { 'fenced', true, 'next', claim_next(true), 'lost_attempts', LOST_ATTEMPTS, 'ended_jobs', ENDED_JOBS }
end

local job = read_fields(ARGS.job, 'owner', 'queue', 'version', 'segments', 'segments_done', 'done', 'prefix', 'leased',
  'created_at', 'started_at', 'count', 'attempt', 'traceparent', 'folder', 'retried')
local segments, owner = tonumber(job.segments), job.owner or ''
segment.state, segment.claim, segment.last, segment.digest = 'done', nil, ARGS.last, ARGS.digest
save_segment(ARGS.job, ARGS.index, segment)
redis.call('ZREM', PREFIX .. 'leases', segment_member(ARGS.job, ARGS.index))

local function is_done(index) return index == ARGS.index or load_segment(ARGS.job, index).state == 'done' end
local prefix = tonumber(job.prefix)
while prefix < segments and is_done(prefix) do prefix = prefix + 1 end

local changes = {
  'leased', job.leased - 1, 'done', job.done + ARGS.length, 'prefix', prefix, 'segments_done', job.segments_done + 1,
  'version', job.version + 1,
}
local function change(field, value) changes[#changes + 1], changes[#changes + 2] = field, value end
if ARGS.index == 0 then change('first', ARGS.first) end
if ARGS.index == segments - 1 then change('last', ARGS.last) end
local is_end = job.segments_done + 1 == segments
if is_end then
  if ARGS.deltas ~= '' then redis.call('SET', job_key(ARGS.job) .. ':result', ARGS.deltas, 'PX', RESULT_TTL_MS) end
  local digests = joined_digests(segments)
  if digests then change('digests', digests) end
  -- As finish_job, but nothing is left to withdraw: all segments are done.
  move_in_indexes(ARGS.job, owner, 'RUNNING', 'SUCCEEDED')
  redis.call('ZREM', PREFIX .. 'deadlines', ARGS.job)
  change('status', 'SUCCEEDED')
  change('finished_at', NOW)
  change('result_expires_at', NOW + RESULT_TTL_MS)
  if job.folder then keep_files(job.folder, job.folder ~= ARGS.job or job.retried, RESULT_TTL_MS) end
  increment_counter('finished', job.queue, 'SUCCEEDED')
  -- The fields that telemetry reads: the whole record would cost more than the rest of this script.
  local record = {
    'format', RECORD_FORMAT, 'id', ARGS.job, 'status', 'SUCCEEDED', 'version', tostring(job.version + 1),
    'count', job.count, 'attempt', job.attempt, 'created_at', job.created_at, 'started_at', job.started_at,
    'finished_at', tostring(NOW),
  }
  if job.traceparent then record[#record + 1], record[#record + 2] = 'traceparent', job.traceparent end
  ENDED_JOBS[1] = { 'now', NOW, 'record', record }
  -- Moving average of run times over about the last 20 jobs, for the estimated wait.
  local run_time = NOW - job.started_at
  local pace = tonumber(redis.call('GET', PREFIX .. 'pace') or run_time)
  local average = string.format('%.3f', pace + (run_time - pace) / 20)
  redis.call('SET', PREFIX .. 'pace', average, 'PX', JOB_TTL_MS)
else
  send_next_segments(ARGS.job, 1)
end
set_fields(ARGS.job, unpack(changes))
keep_record(ARGS.job, owner, not is_end and job.folder)
publish_event(ARGS.job, job.version + 1)
return { 'next', claim_next(false), 'lost_attempts', LOST_ATTEMPTS, 'ended_jobs', ENDED_JOBS }
