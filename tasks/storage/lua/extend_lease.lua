-- Extends the lease of a segment that is being computed. ARGS: lease_ms, and those of require_lease.
-- Returns 1, or false when fenced.

allow_out_of_memory()
if not require_lease() then return false end
redis.call('ZADD', PREFIX .. 'leases', NOW + ARGS.lease_ms, segment_member(ARGS.job, ARGS.index))
renew_ttl(PREFIX .. 'leases')
return 1
