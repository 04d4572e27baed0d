-- Extends the lease of a segment that is being computed. ARGS: lease_ms, and those of require_lease.lua.
-- Returns 1, or false when fenced.

redis.call('ZADD', PREFIX .. 'leases', NOW + ARGS.lease_ms, segment_member(ARGS.job, ARGS.index))
renew_ttl(PREFIX .. 'leases')
return 1
