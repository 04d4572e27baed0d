-- Claims the segment of the next message in a queue, for a worker that still stores the segment before it. Not while a
-- queue with a higher priority has messages. A worker that has lost the segment before may be late: it gets no other.
-- Arguments and reply: ClaimNextSegment.

local function has_turn()
  for _, queue in ipairs(QUEUES) do
    if queue == ARGS.queue then return true end
    if redis.call('LLEN', PREFIX .. queue) > 0 then return false end
  end
end

allow_out_of_memory()
local before, claim = load_segment(ARGS.job, ARGS.index), false
local is_fenced = before.token ~= ARGS.token
if before.next_claim == ARGS.nonce then
  claim = claim_from_queue(ARGS.queue, ARGS.nonce, true)
elseif not is_fenced and has_turn() then
  before.next_claim = ARGS.nonce
  save_segment(ARGS.job, ARGS.index, before)
  claim = claim_from_queue(ARGS.queue, ARGS.nonce, false)
end
return { 'fenced', is_fenced, 'claim', claim, 'lost_attempts', LOST_ATTEMPTS, 'ended_jobs', ENDED_JOBS }
