-- Claims a segment for a worker. Arguments and reply: ClaimSegment. A repeated call has the same nonce.

allow_out_of_memory()
local claim = claim_segment(ARGS.job, ARGS.index, ARGS.nonce)
return { 'claim', claim, 'lost_attempts', LOST_ATTEMPTS, 'ended_jobs', ENDED_JOBS }
