-- Extends the lease of a segment that is being computed. Arguments and reply: ExtendLease.

allow_out_of_memory()
if not require_lease() then return { 'fenced', true } end
redis.call('ZADD', PREFIX .. 'leases', NOW + ARGS.lease_ms, segment_member(ARGS.job, ARGS.index))
renew_ttl(PREFIX .. 'leases')
return {}
